package ftp

import (
	"bytes"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// verb is a command as far as the session's course depends on it.
type verb uint8

const (
	verbOther verb = iota
	verbPort
	verbEprt
	verbPasv
	verbEpsv
	verbRetr
	verbStor
	verbAuth
)

// verbOf tells a command (upper case) that the session depends on.
func verbOf(command []byte) verb {
	switch string(command) {
	case "PORT":
		return verbPort
	case "EPRT":
		return verbEprt
	case "PASV":
		return verbPasv
	case "EPSV":
		return verbEpsv
	case "RETR":
		return verbRetr
	case "STOR", "STOU", "APPE":
		return verbStor
	case "AUTH":
		return verbAuth
	}
	return verbOther
}

// known says whether a command (upper case) is one of RFC 959, of its
// extensions, or long in use.
func known(command []byte) bool {
	switch string(command) {
	case "ABOR", "ACCT", "ADAT", "ALLO", "APPE", "AUTH", "CCC", "CDUP", "CHMOD", "CLNT", "CONF", "CWD", "DELE", "ENC", "EPRT", "EPSV",
		"FEAT", "HELP", "HOST", "IDLE", "LANG", "LIST", "LPRT", "LPSV", "MAIL", "MDTM", "MFMT", "MIC", "MKD", "MLFL", "MLSD", "MLST", "MODE", "MRCP", "MRSQ",
		"MSAM", "MSND", "MSOM", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ", "PORT", "PROT", "PWD", "QUIT", "REIN", "REST", "RETR",
		"RMD", "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE", "UMASK", "USER", "XCUP", "XCWD", "XMKD", "XPWD", "XRMD":
		return true
	}
	return false
}

// split divides a line into the command, upper case in dst, and its argument.
func split(dst, text []byte) (command, data []byte) {
	text = bytes.TrimRight(text, " \t")
	name, rest, _ := bytes.Cut(text, []byte{' '})
	for _, c := range name[:min(len(name), 64)] {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst, bytes.TrimLeft(rest, " \t")
}

// numbers reads "h1,h2,h3,h4,p1,p2" as PORT and the reply to PASV write it,
// from the first digit on.
func numbers(b []byte) (out [6]byte, ok bool) {
	for i := range out {
		n, digits := 0, 0
		for len(b) > 0 && b[0] >= '0' && b[0] <= '9' && digits < 3 {
			n, digits, b = n*10+int(b[0]-'0'), digits+1, b[1:]
		}
		if digits == 0 || n > 255 {
			return out, false
		}
		out[i] = byte(n)
		if i == 5 {
			return out, true
		}
		if len(b) == 0 || b[0] != ',' {
			return out, false
		}
		b = bytes.TrimLeft(b[1:], " ")
	}
	return out, false
}

// address is the IPv4 address of numbers in packet's form.
func address(n [6]byte) (a packet.Addr) {
	a[10], a[11] = 0xff, 0xff
	copy(a[12:], n[:4])
	return a
}

// extendedPort reads the port of "|1|10.0.0.1|5282|" (EPRT) or of
// "(|||5282|)" (the reply to EPSV), RFC 2428.
func extendedPort(b []byte) (uint16, bool) {
	if len(b) < 5 {
		return 0, false
	}
	sep := b[0]
	for range 3 {
		i := bytes.IndexByte(b, sep)
		if i < 0 {
			return 0, false
		}
		b = b[i+1:]
	}
	n := 0
	for len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		n, b = n*10+int(b[0]-'0'), b[1:]
		if n > 65535 {
			return 0, false
		}
	}
	return uint16(n), n > 0 && len(b) > 0 && b[0] == sep
}

// passivePort reads the port of a reply to PASV (227) or EPSV (229).
func passivePort(v verb, text []byte) (uint16, bool) {
	i := bytes.IndexByte(text, '(')
	if v == verbEpsv {
		if i < 0 {
			return 0, false
		}
		return extendedPort(text[i+1:])
	}
	if i >= 0 {
		text = text[i+1:]
	} else if i = bytes.IndexAny(text, "0123456789"); i >= 0 {
		text = text[i:]
	}
	n, ok := numbers(text)
	return uint16(n[4])<<8 | uint16(n[5]), ok
}
