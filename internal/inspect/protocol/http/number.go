package http

import "bytes"

// Versions of the protocol, as they can be told from a first line.
const (
	versionUnknown int8 = iota
	versionInvalid
	version09
	version10
	version11
)

// parseVersion reads "HTTP/1.1" as generously as servers do: blanks around the
// slash and zeros before the number are taken.
func parseVersion(b []byte) int8 {
	b = trimSpace(b)
	if len(b) < 4 || string(b[:4]) != "HTTP" {
		return versionInvalid
	}
	b = trimSpace(b[4:])
	if len(b) == 0 || b[0] != '/' {
		return versionInvalid
	}
	b = trimSpace(b[1:])
	for len(b) > 1 && b[0] == '0' && b[1] != '.' {
		b = b[1:]
	}
	switch string(b) {
	case "0.9":
		return version09
	case "1.0":
		return version10
	case "1.1":
		return version11
	}
	return versionInvalid
}

// parseStatus reads a status code; 0 stands for none that is valid.
func parseStatus(b []byte) int {
	n := 0
	if len(b) == 0 || len(b) > 9 {
		return 0
	}
	for _, c := range b {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if n < 100 || n > 999 {
		return 0
	}
	return n
}

// contentLength reads the first number in a value, whatever stands around it.
func contentLength(b []byte) (uint64, bool) {
	i := bytes.IndexAny(b, "0123456789")
	if i < 0 {
		return 0, false
	}
	var n uint64
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		if n > 1<<58 {
			return 0, false
		}
		n = n*10 + uint64(b[i]-'0')
	}
	return n, true
}

// isChunkControl says whether c may stand before a chunk's length.
func isChunkControl(c byte) bool {
	return c == '\r' || c == '\n' || c == ' ' || c == '\t' || c == 0x0b || c == 0x0c
}

// onlyChunkControl says whether a line before a chunk is empty but for controls.
func onlyChunkControl(line []byte) bool {
	for _, c := range line {
		if !isChunkControl(c) {
			return false
		}
	}
	return true
}

// hexValue is the value of a hexadecimal digit, -1 for another byte.
func hexValue(c byte) int {
	switch {
	case c-'0' < 10:
		return int(c - '0')
	case lower(c)-'a' < 6:
		return int(lower(c)-'a') + 10
	}
	return -1
}

// chunkLength reads the line before a chunk: the length, -1 for none, and
// whether there is an extension.
func chunkLength(line []byte) (n int64, extension bool) {
	for len(line) > 0 && isChunkControl(line[0]) {
		line = line[1:]
	}
	i := 0
	for ; i < len(line); i++ {
		v := hexValue(line[i])
		if v < 0 {
			break
		}
		if n = n<<4 | int64(v); n > 1<<31-1 {
			return -1, false
		}
	}
	if i == 0 {
		return -1, false
	}
	return n, bytes.IndexByte(line[i:], ';') >= 0
}

// mayBeChunkLength says whether what has come of a line can still become a
// chunk's length.
func mayBeChunkLength(b []byte) bool {
	for _, c := range b {
		if isChunkControl(c) {
			continue
		}
		return hexValue(c) >= 0
	}
	return true
}
