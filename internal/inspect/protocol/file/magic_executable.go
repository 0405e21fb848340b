package file

import (
	"bytes"
	"encoding/binary"
)

// executableKind names programs and libraries.
func executableKind(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\x7fELF")) && len(b) >= 20:
		return elfKind(b)
	case b[0] == 'M' && len(b) >= 2 && b[1] == 'Z':
		return peKind(b)
	case bytes.HasPrefix(b, []byte("#!")):
		return scriptKind(b)
	case len(b) < 8:
		return ""
	}
	switch binary.BigEndian.Uint32(b) {
	case 0xcafebabe:
		if binary.BigEndian.Uint32(b[4:]) < 20 {
			return "Mach-O universal binary"
		}
		return "compiled Java class data"
	case 0xfeedface, 0xcefaedfe:
		return "Mach-O executable"
	case 0xfeedfacf, 0xcffaedfe:
		return "Mach-O 64-bit executable"
	}
	return ""
}

// elfKind reads an ELF header (System V ABI, chapter 4).
func elfKind(b []byte) string {
	order := binary.ByteOrder(binary.LittleEndian)
	bits, end := "32-bit ", "LSB "
	if b[4] == 2 {
		bits = "64-bit "
	}
	if b[5] == 2 {
		order, end = binary.BigEndian, "MSB "
	}
	kind := [...]string{"", "relocatable", "executable", "shared object", "core file"}
	what := "unknown"
	if t := int(order.Uint16(b[16:])); t > 0 && t < len(kind) {
		what = kind[t]
	}
	abi := "version 1 (SYSV)"
	switch b[7] {
	case 3:
		abi = "version 1 (GNU/Linux)"
	case 9:
		abi = "version 1 (FreeBSD)"
	}
	return "ELF " + bits + end + what + ", " + elfMachine(order.Uint16(b[18:]), b[4] == 2) + ", " + abi
}

func elfMachine(m uint16, wide bool) string {
	switch m {
	case 2:
		return "SPARC"
	case 3:
		return "Intel 80386"
	case 4:
		return "Motorola m68k"
	case 8:
		if wide {
			return "MIPS, MIPS64"
		}
		return "MIPS, MIPS-I"
	case 20:
		return "PowerPC or cisco 4500"
	case 21:
		return "64-bit PowerPC or cisco 7500"
	case 22:
		return "IBM S/390"
	case 40:
		return "ARM"
	case 42:
		return "Renesas SH"
	case 62:
		return "x86-64"
	case 93, 195:
		return "ARC Cores Tangent-A5"
	case 183:
		return "ARM aarch64"
	case 243:
		return "UCB RISC-V"
	}
	return "*unknown arch*"
}

// peKind reads a DOS and, when there is one, a PE header.
func peKind(b []byte) string {
	const dos = "MS-DOS executable"
	if len(b) < 64 {
		return dos
	}
	at := int(binary.LittleEndian.Uint32(b[60:]))
	if at < 0 || at > len(b)-96 {
		return dos
	}
	pe := b[at:]
	switch {
	case string(pe[:2]) == "NE":
		return "MS-DOS executable, NE for MS Windows 3.x"
	case string(pe[:4]) != "PE\x00\x00":
		return dos
	}
	kind := "PE32 executable"
	if binary.LittleEndian.Uint16(pe[24:]) == 0x20b {
		kind = "PE32+ executable"
	}
	if binary.LittleEndian.Uint16(pe[22:])&0x2000 != 0 {
		kind += " (DLL)"
	}
	switch binary.LittleEndian.Uint16(pe[92:]) {
	case 1:
		kind += " (native)"
	case 2:
		kind += " (GUI)"
	case 3:
		kind += " (console)"
	case 10:
		kind += " (EFI application)"
	}
	switch binary.LittleEndian.Uint16(pe[4:]) {
	case 0x14c:
		kind += " Intel 80386"
	case 0x8664:
		kind += " x86-64"
	case 0x1c0, 0x1c4:
		kind += " ARM"
	case 0xaa64:
		kind += " Aarch64"
	case 0x200:
		kind += " Intel Itanium"
	}
	return kind + ", for MS Windows"
}

// scriptKind names a script after its interpreter.
func scriptKind(b []byte) string {
	line := b[2:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	for _, k := range [...][2]string{{"bash", "Bourne-Again shell script, ASCII text executable"}, {"python", "Python script, ASCII text executable"},
		{"perl", "Perl script text executable"}, {"php", "PHP script, ASCII text executable"}, {"ruby", "Ruby script, ASCII text executable"},
		{"node", "Node.js script, ASCII text executable"}, {"zsh", "Paul Falstad's zsh script, ASCII text executable"}, {"sh", "POSIX shell script, ASCII text executable"}} {
		if bytes.Contains(line, []byte(k[0])) {
			return k[1]
		}
	}
	return "a " + string(bytes.TrimSpace(line[:min(len(line), 60)])) + " script, ASCII text executable"
}

// textKind tells text from other data, and the commonest sorts of text.
func textKind(b []byte) string {
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return "Unicode text, UTF-16"
	}
	t := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, c := range b {
		if c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b && c != '\b' || c == 0x7f {
			return "data"
		}
	}
	head := bytes.ToLower(t[:min(len(t), 512)])
	switch {
	case bytes.HasPrefix(head, []byte("<?xml")):
		return "XML 1.0 document, ASCII text"
	case bytes.HasPrefix(head, []byte("<?php")):
		return "PHP script, ASCII text"
	case bytes.HasPrefix(head, []byte("<!doctype html")), bytes.HasPrefix(head, []byte("<html")),
		bytes.HasPrefix(head, []byte("<head")), bytes.HasPrefix(head, []byte("<body")), bytes.HasPrefix(head, []byte("<script")):
		return "HTML document, ASCII text"
	case bytes.HasPrefix(head, []byte("<svg")):
		return "SVG Scalable Vector Graphics image"
	case len(head) > 1 && (head[0] == '{' && bytes.IndexByte(head, '"') > 0 || head[0] == '[' && head[1] == '{'):
		return "JSON text data"
	case bytes.HasPrefix(head, []byte("from:")), bytes.HasPrefix(head, []byte("received:")), bytes.HasPrefix(head, []byte("return-path:")):
		return "SMTP mail, ASCII text"
	}
	for _, c := range b {
		if c >= 0x80 {
			return "Unicode text, UTF-8 text"
		}
	}
	return "ASCII text"
}
