package file

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// MagicSize is how many bytes of a file Magic looks at.
const MagicSize = 4096

// Magic names the kind of a file after its first bytes, in the words of
// libmagic ("PDF document, version 1.7") as far as rules and people look for
// them; details such as dimensions are left out where they would cost much.
// What it does not know is "ASCII text" or "data". It allocates for kinds with
// details only.
func Magic(first []byte) string {
	if len(first) == 0 {
		return "empty"
	}
	b := first[:min(len(first), MagicSize)]
	if s := executableKind(b); s != "" {
		return s
	}
	if s := detailedKind(b); s != "" {
		return s
	}
	for i := range signatures {
		s := &signatures[i]
		if len(b) >= s.at+len(s.is) && string(b[s.at:s.at+len(s.is)]) == s.is {
			return s.kind
		}
	}
	return textKind(b)
}

// signatures are the fixed beginnings of kinds without details.
var signatures = [...]struct {
	at   int
	is   string
	kind string
}{
	{0, "\x1f\x8b", "gzip compressed data"},
	{0, "BZh", "bzip2 compressed data"},
	{0, "\xfd7zXZ\x00", "XZ compressed data"},
	{0, "\x28\xb5\x2f\xfd", "Zstandard compressed data"},
	{0, "\x04\x22\x4d\x18", "LZ4 compressed data (v1.4+)"},
	{0, "7z\xbc\xaf\x27\x1c", "7-zip archive data"},
	{0, "Rar!\x1a\x07\x01\x00", "RAR archive data, v5"},
	{0, "Rar!\x1a\x07\x00", "RAR archive data, v4"},
	{0, "MSCF\x00\x00\x00\x00", "Microsoft Cabinet archive data"},
	{0, "!<arch>\ndebian", "Debian binary package"},
	{0, "!<arch>\n", "current ar archive"},
	{0, "\xed\xab\xee\xdb", "RPM"},
	{257, "ustar", "POSIX tar archive"},
	{0, "\x1f\x9d", "compress'd data"},
	{0, "xar!", "xar archive"},
	{0, "hsqs", "Squashfs filesystem, little endian"},
	{0, "sqsh", "Squashfs filesystem, big endian"},
	{0, "\x27\x05\x19\x56", "u-boot legacy uImage"},
	{0, "\x45\x3d\xcd\x28", "Linux Compressed ROM File System data, little endian"},
	{0, "\x28\xcd\x3d\x45", "Linux Compressed ROM File System data, big endian"},
	{0, "\x85\x19\x01\xe0", "Linux jffs2 filesystem data, little endian"},
	{0, "\x19\x85\xe0\x01", "Linux jffs2 filesystem data, big endian"},
	{0, "UBI#", "UBI image"},
	{0, "\x31\x18\x10\x06", "UBIfs image"},
	{0, "HDR0", "TRX firmware header"},
	{0, "\xd0\x0d\xfe\xed", "Device Tree Blob"},
	{0, "ANDROID!", "Android bootimg"},
	{0, "dex\n", "Dalvik dex file"},
	{0, "GIF87a", "GIF image data, version 87a"},
	{0, "GIF89a", "GIF image data, version 89a"},
	{0, "\xff\xd8\xff", "JPEG image data"},
	{0, "BM", "PC bitmap"},
	{0, "II*\x00", "TIFF image data, little-endian"},
	{0, "MM\x00*", "TIFF image data, big-endian"},
	{0, "8BPS", "Adobe Photoshop Image"},
	{0, "\x00\x00\x01\x00", "MS Windows icon resource"},
	{8, "WEBP", "RIFF (little-endian) data, Web/P image"},
	{8, "WAVE", "RIFF (little-endian) data, WAVE audio"},
	{8, "AVI ", "RIFF (little-endian) data, AVI"},
	{0, "RIFF", "RIFF (little-endian) data"},
	{0, "OggS", "Ogg data"},
	{0, "fLaC", "FLAC audio bitstream data"},
	{0, "ID3", "Audio file with ID3"},
	{0, "FLV\x01", "Macromedia Flash Video"},
	{4, "ftyp", "ISO Media"},
	{0, "\x1aE\xdf\xa3", "Matroska data"},
	{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Microsoft ASF"},
	{0, "{\\rtf", "Rich Text Format data"},
	{0, "%!PS", "PostScript document text"},
	{0, "SQLite format 3\x00", "SQLite 3.x database"},
	{0, "\xd4\xc3\xb2\xa1", "pcap capture file, microsecond ts (little-endian)"},
	{0, "\x0a\x0d\x0d\x0a", "pcapng capture file"},
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "MS Windows shortcut"},
	{0, "ITSF\x03\x00\x00\x00", "MS Windows HtmlHelp Data"},
	{0, "regf", "MS Windows registry file, NT/2000 or above"},
	{0, "\x00asm", "WebAssembly (wasm) binary module"},
	{0, "wOFF", "Web Open Font Format"},
	{0, "wOF2", "Web Open Font Format (Version 2)"},
	{0, "\x00\x01\x00\x00\x00", "TrueType Font data"},
	{0, "OTTO", "OpenType font data"},
	{0, "-----BEGIN CERTIFICATE-----", "PEM certificate"},
	{0, "-----BEGIN RSA PRIVATE KEY-----", "PEM RSA private key"},
	{0, "-----BEGIN OPENSSH PRIVATE KEY-----", "OpenSSH private key"},
	{0, "\x00\x05\x16\x07", "AppleDouble encoded Macintosh file"},
	{0, "\x5d\x00\x00", "LZMA compressed data"},
}

// detailedKind knows kinds whose name tells more than their beginning.
func detailedKind(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("%PDF-")):
		return "PDF document, version " + word(b[5:], 3)
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) && len(b) >= 29:
		return pngKind(b)
	case bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return zipKind(b)
	case bytes.HasPrefix(b, []byte("PK\x05\x06")):
		return "Zip archive data (empty)"
	case bytes.HasPrefix(b, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")):
		return oleKind(b)
	case len(b) > 4 && string(b[1:3]) == "WS" && strings.IndexByte("FCZ", b[0]) >= 0 && b[3] < 64:
		return flashKind(b)
	}
	return ""
}

func word(b []byte, n int) string {
	b = b[:min(n, len(b))]
	if i := bytes.IndexAny(b, "\r\n \x00"); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func pngKind(b []byte) string {
	colour := map[byte]string{0: " grayscale", 2: "/color RGB", 3: " colormap", 4: " gray+alpha", 6: "/color RGBA"}[b[25]]
	lace := ", non-interlaced"
	if b[28] == 1 {
		lace = ", interlaced"
	}
	return "PNG image data, " + strconv.Itoa(int(binary.BigEndian.Uint32(b[16:]))) + " x " +
		strconv.Itoa(int(binary.BigEndian.Uint32(b[20:]))) + ", " + strconv.Itoa(int(b[24])) + "-bit" + colour + lace
}

// zipKind tells documents and packages among the zip archives by the name of
// their first entries.
func zipKind(b []byte) string {
	if len(b) < 30 {
		return "Zip archive data"
	}
	n := int(binary.LittleEndian.Uint16(b[26:]))
	name := b[30:min(len(b), 30+n)]
	rest := b[min(len(b), 30+n):]
	has := func(s string) bool { return bytes.Contains(b, []byte(s)) }
	switch {
	case string(name) == "mimetype" && bytes.HasPrefix(rest, []byte("application/vnd.oasis.opendocument.")):
		return "OpenDocument"
	case string(name) == "mimetype" && bytes.HasPrefix(rest, []byte("application/epub")):
		return "EPUB document"
	case string(name) == "[Content_Types].xml", string(name) == "_rels/.rels", bytes.HasPrefix(name, []byte("docProps")):
		switch {
		case has("word/"):
			return "Microsoft Word 2007+"
		case has("xl/"):
			return "Microsoft Excel 2007+"
		case has("ppt/"):
			return "Microsoft PowerPoint 2007+"
		}
		return "Microsoft OOXML"
	case bytes.HasPrefix(name, []byte("META-INF/")):
		return "Java archive data (JAR)"
	case string(name) == "AndroidManifest.xml":
		return "Android package (APK), with AndroidManifest.xml"
	}
	v := b[4]
	return "Zip archive data, at least v" + strconv.Itoa(int(v/10)) + "." + strconv.Itoa(int(v%10)) + " to extract"
}

// oleKind tells the application behind a compound document, from the stream
// names that stand in its first bytes.
func oleKind(b []byte) string {
	for _, k := range [...][2]string{{"W\x00o\x00r\x00d\x00D\x00o\x00c", "Microsoft Word"}, {"W\x00o\x00r\x00k\x00b\x00o\x00o\x00k", "Microsoft Excel"},
		{"P\x00o\x00w\x00e\x00r\x00P\x00o\x00i\x00n\x00t", "Microsoft PowerPoint"}} {
		if bytes.Contains(b, []byte(k[0])) {
			return "Composite Document File V2 Document, Little Endian, Name of Creating Application: " + k[1]
		}
	}
	return "Composite Document File V2 Document"
}

func flashKind(b []byte) string {
	packed := ""
	switch b[0] {
	case 'C':
		packed = " (compressed)"
	case 'Z':
		packed = " (lzma compressed)"
	}
	return "Macromedia Flash data" + packed + ", version " + strconv.Itoa(int(b[3]))
}
