package index

import (
	"net/netip"
	"slices"
	"strings"
	"unsafe"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// Index knows the briefs of many objects. It never changes; any number of
// goroutines ask it at once. Make one with a Builder.
//
// Where several objects hold for what is asked (an address and the networks
// around it, a name and those above it, a URL, its expressions and its host),
// the most exact one answers alone. So each Brief must tell of what covers its
// object as well, as those of ledger.Ledger.Each do.
type Index struct {
	four      space4
	six       space6
	asn       []uint64
	table     table
	hosts     hostFilter
	prefixes  []uint64
	alone     int // paths without a host
	minLabels int // fewest labels of a domain that holds for the names below it
	size      int
}

// Size is how many different objects the Index has.
func (x *Index) Size() int { return x.size }

// Address says what is known of an address, and how long the prefix is that
// says so; IPv4 in IPv6 form is taken as IPv4, a zone is left out.
func (x *Index) Address(a netip.Addr) (b reputation.Brief, bits int) {
	var p packed
	switch {
	case a.Is4():
		v := a.As4()
		p, bits = x.four.address(uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3]))
	case a.Is4In6():
		return x.Address(a.Unmap())
	case a.Is6():
		p, bits = x.six.address(a)
	}
	return p.brief(), bits
}

// Network says what is known of a whole prefix: itself or what is around it.
func (x *Index) Network(n netip.Prefix) (b reputation.Brief, bits int) {
	if !n.IsValid() {
		return reputation.Brief{}, 0
	}
	if a := n.Addr(); a.Is4In6() {
		if n.Bits() < 96 {
			return reputation.Brief{}, 0
		}
		n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
	}
	var p packed
	if n.Addr().Is4() {
		p, bits = x.four.prefix(n)
	} else {
		p, bits = x.six.prefix(n)
	}
	return p.brief(), bits
}

// ASN says what is known of an autonomous system.
func (x *Index) ASN(number uint32) reputation.Brief {
	i, _ := slices.BinarySearch(x.asn, uint64(number)<<16)
	if i < len(x.asn) && uint32(x.asn[i]>>16) == number {
		return packed(x.asn[i]).brief()
	}
	return reputation.Brief{}
}

// File says what is known of a file by the bytes of its MD5, SHA-1 or SHA-256.
func (x *Index) File(hash []byte) reputation.Brief {
	return x.text(reputation.TypeFile, true, view(hash)).brief.brief()
}

// Text says what is known of an object of a type that is only equal or not: JA4,
// certificate, mail address, device, TLSH, file by its hexadecimal digits.
func (x *Index) Text(typ reputation.Type, text string) reputation.Brief {
	if !isDigest(typ, text) {
		return x.text(typ, false, text).brief.brief()
	}
	var raw [maxDigest]byte
	return x.text(typ, true, view(unhex(raw[:], text))).brief.brief()
}

func (x *Index) text(typ reputation.Type, digits bool, text string) entry {
	if len(x.table.chunks) == 0 {
		return entry{}
	}
	c := x.table.find(x.table.textKey(typ, text))
	for ref := x.table.next(&c); ref != 0; ref = x.table.next(&c) {
		if e := x.table.at(ref); e.typ == typ && e.hex == digits && e.text == text {
			return e
		}
	}
	return entry{}
}

// Object says what is known of any object, and which listed object says so;
// its Type is TypeNone when none does.
func (x *Index) Object(o reputation.Object) (reputation.Brief, reputation.Object) {
	var b reputation.Brief
	match := o
	match.Below = false
	switch o.Type {
	case reputation.TypePrefix:
		var bits int
		b, bits = x.Network(o.Prefix)
		match.Prefix, _ = o.Prefix.Addr().Unmap().Prefix(bits)
	case reputation.TypeASN:
		b = x.ASN(o.Number)
	case reputation.TypeDomain:
		e := x.name(strings.TrimSuffix(o.Text, "."), o.Below)
		return e.brief.brief(), e.object()
	case reputation.TypeURL:
		return x.url(o.Text)
	case reputation.TypeEndpoint:
		if b = x.Text(o.Type, o.Text); b.Listed() {
			return b, match
		}
		host, _, ok := canon.Host(o)
		if !ok {
			return b, reputation.Object{}
		}
		return x.Object(host)
	case reputation.TypeDevice:
		return x.device(o)
	default:
		b = x.Text(o.Type, o.Text)
	}
	if !b.Listed() {
		return b, reputation.Object{}
	}
	return b, match
}

// device says what is known of a model or of all models of its maker.
func (x *Index) device(o reputation.Object) (reputation.Brief, reputation.Object) {
	e := x.text(o.Type, false, o.Text)
	if e.brief == 0 {
		e = x.text(o.Type, false, o.Text[:strings.IndexByte(o.Text, '/')+1])
	}
	if e.brief == 0 {
		return reputation.Brief{}, reputation.Object{}
	}
	return e.brief.brief(), e.object()
}

// view reads bytes as a string without a copy; nothing keeps it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
