package dnsbl

import (
	"bytes"
	"net/netip"

	intel "github.com/masugata/masugata/internal/intel/reputation"
)

// Source tells what is listed. Its methods are safe for concurrent use; the
// bytes of a name are the caller's.
type Source interface {
	Address(a netip.Addr) intel.Brief
	Domain(name []byte) intel.Brief
	// Words explains an object that is listed, for people.
	Words(object string) string
	// Serial rises whenever what is listed changes.
	Serial() uint32
	// Each gives all objects until yield says false; yield must not wait.
	Each(yield func(intel.Object, intel.Brief) bool)
}

// question is what a name below the zone asks for.
type question struct {
	address netip.Addr // not valid: a name
	name    []byte     // dotted, lower case
	test    byte       // of the entries that RFC 5782 asks for: 1 must not, 2 must be listed
	within  bool       // no entry itself, but names of entries lie below it
}

// parse reads the part of a name before the zone: dotted, lower case, without
// the last dot.
func parse(name []byte) (question, bool) {
	if len(name) == 0 {
		return question{}, false
	}
	if a, ok := reversed4(name); ok {
		return question{address: a, test: testOf(a)}, true
	}
	if a, ok := reversed6(name); ok {
		return question{address: a.Unmap(), test: testOf(a.Unmap())}, true
	}
	switch string(name) {
	case "test":
		return question{name: name, test: 2}, true
	case "invalid":
		return question{name: name, test: 1}, true
	}
	return question{name: name, within: partOf(name)}, true
}

// partOf says whether a name is the end of a reversed address or of a name, as
// resolvers ask for it that show each server no more than it needs (RFC 9156):
// to them "there is no such name" would mean that nothing lies below it (RFC
// 8020).
func partOf(name []byte) bool {
	labels, digits, octets := 0, true, true
	for more := true; more; labels++ {
		var label []byte
		label, name, more = bytes.Cut(name, []byte("."))
		digits = digits && len(label) == 1 && (label[0] >= '0' && label[0] <= '9' || label[0] >= 'a' && label[0] <= 'f')
		_, ok := octet(label)
		octets = octets && ok
	}
	return labels == 1 || digits && labels < 32 || octets && labels < 4
}

// octet reads a number of an IPv4 address.
func octet(label []byte) (byte, bool) {
	if len(label) == 0 || len(label) > 3 || label[0] == '0' && len(label) > 1 {
		return 0, false
	}
	n := 0
	for _, c := range label {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return byte(n), n <= 255
}

// testOf says whether an address is one of the test entries of RFC 5782,
// section 5.
func testOf(a netip.Addr) byte {
	if !a.Is4() {
		return 0
	}
	switch a.As4() {
	case [4]byte{127, 0, 0, 1}:
		return 1
	case [4]byte{127, 0, 0, 2}:
		return 2
	}
	return 0
}

// reversed4 reads "2.0.0.127".
func reversed4(name []byte) (netip.Addr, bool) {
	var b [4]byte
	for i := 3; i >= 0; i-- {
		label := name
		if dot := bytes.IndexByte(name, '.'); dot >= 0 {
			label, name = name[:dot], name[dot+1:]
		} else if name = nil; i != 0 {
			return netip.Addr{}, false
		}
		n, ok := octet(label)
		if !ok {
			return netip.Addr{}, false
		}
		b[i] = n
	}
	return netip.AddrFrom4(b), name == nil
}

// reversed6 reads 32 hexadecimal digits with dots between, the lowest first.
func reversed6(name []byte) (netip.Addr, bool) {
	if len(name) != 63 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i := range 32 {
		if i < 31 && name[2*i+1] != '.' {
			return netip.Addr{}, false
		}
		c := name[2*i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return netip.Addr{}, false
		}
		at := 15 - i/2
		if i%2 == 0 {
			b[at] |= c
		} else {
			b[at] |= c << 4
		}
	}
	return netip.AddrFrom16(b), true
}

// brief asks the source.
func (q question) brief(s Source) intel.Brief {
	if q.address.IsValid() {
		return s.Address(q.address)
	}
	return s.Domain(q.name)
}

// text is the object as people write it.
func (q question) text() string {
	if q.address.IsValid() {
		return q.address.String()
	}
	return string(q.name)
}

// code gives the last byte of the address 127.0.0.x that stands for a brief: 2
// for the test entries, else 20 times the band (1 low to 4 certain) plus the
// kind's number. 0 is not listed.
func (q question) code(s Source, least uint8) byte {
	switch q.test {
	case 1:
		return 0
	case 2:
		return 2
	}
	b := q.brief(s)
	if b.Local == intel.LocalAllow || b.Local != intel.LocalDeny && b.Score < least {
		return 0
	}
	return Code(b)
}

// Code is the last byte of the answer for a listed brief: 20 times the band
// plus the number of the kind.
func Code(b intel.Brief) byte {
	band := intel.BandOf(b.Score)
	if b.Local == intel.LocalDeny {
		band = intel.BandCertain
	}
	return byte(max(band, intel.BandLow))*20 + byte(b.Kind)
}
