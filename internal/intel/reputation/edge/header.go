package edge

import (
	"crypto/sha256"
	"encoding/binary"
)

// Header says what a set is.
type Header struct {
	Class   Class
	Version uint64 // rises with every set
	Before  uint64 // the version before it; 0 when there was none
	Issued  uint32 // seconds since 1970
	Expires uint32 // from then on it is refused
	Key     Key    // of the hash
}

// A set is: magic, header, number of sections, sections, SHA-256 of all that.
const (
	magicSet   = "MRS2" // 1 had another place for names with all below them
	magicDelta = "MRD2"
	magicTails = "MRT1"

	magicTailsDelta = "MRU1"

	digestSize = sha256.Size
	headerSize = 4 + 1 + 8 + 8 + 4 + 4 + len(Key{}) + 2
)

func (h *Header) append(b []byte, sections int) []byte {
	b = append(append(b, magicSet...), byte(h.Class))
	b = binary.BigEndian.AppendUint64(b, h.Version)
	b = binary.BigEndian.AppendUint64(b, h.Before)
	b = binary.BigEndian.AppendUint32(b, h.Issued)
	b = binary.BigEndian.AppendUint32(b, h.Expires)
	return binary.BigEndian.AppendUint16(append(b, h.Key[:]...), uint16(sections))
}

// seal appends the digest of all that is before it.
func seal(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// unseal checks magic and digest and gives what is between them.
func unseal(what, magic string, b []byte) ([]byte, error) {
	if len(b) < len(magic)+digestSize {
		return nil, refuse(what, Truncated, "%d bytes are no whole one", len(b))
	}
	if string(b[:len(magic)]) != magic {
		return nil, refuse(what, Foreign, "it begins with %.8q, expected %q", b[:len(magic)], magic)
	}
	body := b[:len(b)-digestSize]
	if sum := sha256.Sum256(body); string(sum[:]) != string(b[len(body):]) {
		return nil, refuse(what, Corrupt, "its digest does not fit its %d bytes: it was cut or changed on its way", len(b))
	}
	return body[len(magic):], nil
}

// Digest is the digest at the end of a set; the zero one when it is too short.
func Digest(payload []byte) (sum [digestSize]byte) {
	if len(payload) >= digestSize {
		copy(sum[:], payload[len(payload)-digestSize:])
	}
	return sum
}

// ReadHeader reads and checks the header of a set and its digest, without the
// sections. Errors are of type *Error.
func ReadHeader(payload []byte) (Header, error) {
	h, _, _, err := readHeader(payload)
	return h, err
}

func readHeader(payload []byte) (h Header, sections int, rest []byte, err error) {
	if len(payload) > ClassLarge.Bytes() {
		return h, 0, nil, refuse("set", TooBig, "%d bytes, at most %d are read", len(payload), ClassLarge.Bytes())
	}
	b, err := unseal("set", magicSet, payload)
	if err != nil {
		return h, 0, nil, err
	}
	return parseHeader(payload, b)
}

// parseHeader is readHeader behind the digest; b is what follows the magic.
func parseHeader(payload, b []byte) (h Header, sections int, rest []byte, err error) {
	if len(b) < headerSize-len(magicSet) {
		return h, 0, nil, refuse("set", Truncated, "its header has %d bytes", len(b))
	}
	h.Class = Class(b[0])
	h.Version, h.Before = binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:])
	h.Issued, h.Expires = binary.BigEndian.Uint32(b[17:]), binary.BigEndian.Uint32(b[21:])
	copy(h.Key[:], b[25:])
	switch at := 25 + len(h.Key); {
	case h.Class.Bytes() == 0:
		return h, 0, nil, refuse("set", Foreign, "its class is %d, this version knows 1 to %d", h.Class, ClassLarge)
	case len(payload) > h.Class.Bytes():
		return h, 0, nil, refuse("set", TooBig, "%d bytes, class %s takes %d", len(payload), h.Class, h.Class.Bytes())
	default:
		return h, int(binary.BigEndian.Uint16(b[at:])), b[at+2:], nil
	}
}

// check refuses what must not be taken at now when version held is in force.
func (h *Header) check(now uint32, held uint64) error {
	switch {
	case h.Version <= held:
		return refuse("set", Older, "version %d, version %d is held", h.Version, held)
	case now >= h.Expires:
		return refuse("set", Expired, "version %d ended at %d, now is %d (seconds since 1970)", h.Version, h.Expires, now)
	}
	return nil
}

// SameEntries says whether two sets differ in nothing but version and times.
func SameEntries(a, b []byte) bool {
	x, _, _, err := readHeader(a)
	if err != nil {
		return false
	}
	y, _, _, err := readHeader(b)
	return err == nil && x.Class == y.Class && x.Key == y.Key &&
		string(a[headerSize-2:len(a)-digestSize]) == string(b[headerSize-2:len(b)-digestSize])
}
