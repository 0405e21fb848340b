package file

import (
	"bytes"
	"strings"
)

// harmless says of a file's first bytes whether they show a kind that is data
// and nothing else: images, sound, films, fonts, JSON, web pages. What could be run,
// unpacked or opened by an office program is not, and neither is text.
func harmless(b []byte) bool {
	if len(b) < 12 {
		return false
	}
	switch b[0] {
	case 0x89:
		return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n"))
	case 'G':
		return bytes.HasPrefix(b, []byte("GIF8"))
	case 0xff:
		return b[1] == 0xd8 && b[2] == 0xff || b[1] >= 0xf1 && b[1] <= 0xfb // JPEG; frames of sound
	case 'R':
		return string(b[:4]) == "RIFF" && (string(b[8:12]) == "WEBP" || string(b[8:12]) == "WAVE" || string(b[8:12]) == "AVI ")
	case 0:
		return string(b[4:8]) == "ftyp" // films
	case 0x1a:
		return string(b[:4]) == "\x1aE\xdf\xa3" // Matroska, WebM
	case 'O', 'I', 'f', 'F', 'w':
		return hasAny(b, "OggS", "OTTO", "ID3", "fLaC", "FLV\x01", "wOFF", "wOF2")
	case '<':
		return len(b) >= 14 && strings.EqualFold(string(b[:14]), "<!doctype html") // pages; what runs as a program (HTA) goes without
	case '{', '[':
		return json(b[1:])
	}
	return false
}

func hasAny(b []byte, list ...string) bool {
	for _, s := range list {
		if len(b) >= len(s) && string(b[:len(s)]) == s {
			return true
		}
	}
	return false
}

// json says whether what follows the first brace or bracket goes on as JSON does.
func json(b []byte) bool {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', '{', '[':
			continue
		}
		return c == '"'
	}
	return false
}
