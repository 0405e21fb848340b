package rule

import "bytes"

// magicBytes is how much of a file magicOf looks at.
const magicBytes = 1024

// magics tell files by their first bytes, in the words that libmagic's users
// know. The longest and rarest come first.
var magics = []struct {
	at     int
	prefix string
	words  string
}{
	{0, "\x89PNG\r\n\x1a\n", "PNG image data"},
	{0, "\xff\xd8\xff", "JPEG image data, JFIF standard"},
	{0, "GIF87a", "GIF image data, version 87a"},
	{0, "GIF89a", "GIF image data, version 89a"},
	{0, "%PDF-", "PDF document, version "},
	{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"},
	{0, "PK\x03\x04", "Zip archive data, at least v2.0 to extract"},
	{0, "PK\x05\x06", "Zip archive data (empty)"},
	{0, "Rar!\x1a\x07", "RAR archive data"},
	{0, "7z\xbc\xaf\x27\x1c", "7-zip archive data"},
	{0, "\x1f\x8b", "gzip compressed data"},
	{0, "BZh", "bzip2 compressed data"},
	{0, "\xfd7zXZ\x00", "XZ compressed data"},
	{0, "\x28\xb5\x2f\xfd", "Zstandard compressed data"},
	{257, "ustar", "POSIX tar archive"},
	{0, "\x7fELF\x01", "ELF 32-bit executable"},
	{0, "\x7fELF\x02", "ELF 64-bit executable"},
	{0, "\xca\xfe\xba\xbe", "compiled Java class data"},
	{0, "\xfe\xed\xfa", "Mach-O executable"},
	{0, "CWS", "Macromedia Flash data (compressed)"},
	{0, "FWS", "Macromedia Flash data"},
	{0, "ZWS", "Macromedia Flash data (lzma compressed)"},
	{0, "RIFF", "RIFF (little-endian) data"},
	{0, "OggS", "Ogg data"},
	{0, "ID3", "Audio file with ID3"},
	{0, "fLaC", "FLAC audio bitstream data"},
	{4, "ftyp", "ISO Media"},
	{0, "BM", "PC bitmap"},
	{0, "II*\x00", "TIFF image data, little-endian"},
	{0, "MM\x00*", "TIFF image data, big-endian"},
	{0, "\x00\x00\x01\x00", "MS Windows icon resource"},
	{0, "MSCF", "Microsoft Cabinet archive data"},
	{0, "{\\rtf", "Rich Text Format data, version 1"},
	{0, "#!/bin/sh", "POSIX shell script, ASCII text executable"},
	{0, "#!", "script text executable"},
	{0, "<?xml", "XML document text"},
	{0, "\xef\xbb\xbf", "UTF-8 Unicode (with BOM) text"},
	{0, "SQLite format 3\x00", "SQLite 3.x database"},
	{0, "\x4c\x00\x00\x00\x01\x14\x02\x00", "MS Windows shortcut"},
}

// magicOf says what a file is. What it returns must not be changed.
func magicOf(b []byte) []byte {
	for i := range magics {
		m := &magics[i]
		if len(b) >= m.at+len(m.prefix) && string(b[m.at:m.at+len(m.prefix)]) == m.prefix {
			return magicWords(b, m.words)
		}
	}
	if len(b) >= 2 && b[0] == 'M' && b[1] == 'Z' {
		return executable(b)
	}
	head := b[:min(len(b), 512)]
	switch {
	case hasFold(head, "<!doctype html"), hasFold(head, "<html"):
		return []byte("HTML document, ASCII text")
	case text(head):
		return []byte("ASCII text")
	}
	return []byte("data")
}

func magicWords(b []byte, words string) []byte {
	if words == "PDF document, version " && len(b) >= 8 {
		return append([]byte(words), b[5:8]...)
	}
	return []byte(words)
}

func executable(b []byte) []byte {
	if len(b) >= 64 {
		at := int(b[60]) | int(b[61])<<8 | int(b[62])<<16
		if at+4 <= len(b) && string(b[at:at+4]) == "PE\x00\x00" {
			return []byte("PE32 executable (GUI) Intel 80386, for MS Windows")
		}
	}
	return []byte("MS-DOS executable")
}

func hasFold(b []byte, lower string) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) >= len(lower) && bytes.EqualFold(b[:len(lower)], []byte(lower))
}

func text(b []byte) bool {
	for _, c := range b {
		if c >= 0x7f || c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b && c != 8 && c != 7 {
			return false
		}
	}
	return len(b) > 0
}
