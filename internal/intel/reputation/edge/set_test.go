package edge

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
)

const (
	issued  = 1_800_000_000
	expires = issued + 7*86400
)

func header(c Class, version uint64) Header {
	return Header{Class: c, Version: version, Before: version - 1, Issued: issued, Expires: expires, Key: Key{1, 2, 3}}
}

func domain(name string, below bool) reputation.Object {
	return reputation.Object{Type: reputation.TypeDomain, Text: name, Below: below}
}

func netipOf(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func prefix(s string) reputation.Object {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a := netip.MustParseAddr(s)
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
}

func file(b []byte) reputation.Object {
	return reputation.Object{Type: reputation.TypeFile, Text: hex.EncodeToString(b)}
}

func score(n uint8) reputation.Brief { return reputation.Brief{Score: n, Kind: reputation.KindBot} }

type entries map[reputation.Object]reputation.Brief

func build(t testing.TB, e entries, c Config) *Snapshot {
	t.Helper()
	s, err := Build(maps.All(e), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, payload []byte) *Set {
	t.Helper()
	s, err := Open(payload, issued+1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSip(t *testing.T) {
	var key Key
	var in [15]byte
	for i := range key {
		key[i] = byte(i)
	}
	copy(in[:], key[:15])
	k0, k1 := key.halves()
	if got := sipRounds(k0, k1, in[:], 2, 4); got != 0xa129ca6149be45e5 { // the vector of the paper's appendix A
		t.Errorf("SipHash-2-4 is %x", got)
	}
	text := []byte("a.name.of.some.length.example.net")
	for n := range len(text) {
		want := sipRounds(k0, k1, text[:n], 1, 3)
		if a, b := sip(k0, k1, string(text[:n])), sip(k0, k1, text[:n]); a != want || b != want {
			t.Errorf("%d bytes: text %x, bytes %x, want %x", n, a, b, want)
		}
	}
}

// sipRounds is SipHash-c-d as the paper writes it, without haste.
func sipRounds(k0, k1 uint64, s []byte, c, d int) uint64 {
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	padded := append(append([]byte(nil), s...), make([]byte, 8-len(s)%8)...)
	padded[len(padded)-1] = byte(len(s))
	for ; len(padded) > 0; padded = padded[8:] {
		m := binary.LittleEndian.Uint64(padded)
		v3 ^= m
		for range c {
			v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		}
		v0 ^= m
	}
	v2 ^= 0xff
	for range d {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func TestLookups(t *testing.T) {
	sum := []byte("0123456789abcdef0123456789abcdef")
	set := open(t, build(t, entries{
		domain("bad.example", true):       score(95),
		domain("only.example.net", false): score(80),
		domain("good.bad.example", false): {Score: 95, Local: reputation.LocalAllow},
		prefix("192.0.2.7"):               score(60),
		prefix("198.51.100.0/24"):         score(78),
		prefix("198.51.100.9"):            {Local: reputation.LocalAllow},
		prefix("203.0.113.5"):             score(30),
		prefix("203.0.113.6"):             {Local: reputation.LocalDeny},
		prefix("2001:db8:1::/48"):         score(91),
		prefix("2001:db8::5"):             score(75),
		prefix("2001:db8:1:2:8000::/66"):  {Local: reputation.LocalAllow},
		file(sum):                         score(100),
		{Type: reputation.TypeURL, Text: "host.example/a/", Below: true}:         score(90),
		{Type: reputation.TypeURL, Text: "host.example/b?c=d"}:                   score(76),
		{Type: reputation.TypeASN, Number: 64500}:                                score(77),
		{Type: reputation.TypeJA4, Text: "t13d1516h2_8daaf6152771_b0da82dd1658"}: score(77),
	}, Config{Header: header(ClassSmall, 1)}).Payload)
	addresses := map[string]Tier{"192.0.2.7": TierMedium, "192.0.2.8": TierNone, "198.51.100.1": TierHigh, "198.51.100.9": TierAllow,
		"198.51.101.0": TierNone, "203.0.113.5": TierNone, "203.0.113.6": TierDeny, "2001:db8:1:ffff::1": TierCertain, "2001:db8:2::": TierNone,
		"2001:db8::5": TierHigh, "2001:db8::6": TierNone, "2001:db8:1:2:9000::": TierAllow, "2001:db8:1:2:c000::": TierCertain,
		"::ffff:192.0.2.7": TierMedium, "0.0.0.0": TierNone, "255.255.255.255": TierNone, "::": TierNone}
	for a, want := range addresses {
		if got := set.Address(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
	names := map[string]Tier{"bad.example": TierCertain, "A.B.bad.Example.": TierCertain, "xbad.example": TierNone, "only.example.net": TierHigh,
		"sub.only.example.net": TierNone, "good.bad.example": TierAllow, "x.good.bad.example": TierCertain, "example": TierNone, "": TierNone, ".": TierNone, "..": TierNone}
	for n, want := range names {
		if got := set.Domain(n); got.Tier != want || got.Sure {
			t.Errorf("%q: %+v, want %v", n, got, want)
		}
	}
	for _, x := range []struct {
		host, path string
		whole      bool
		want       Tier
	}{{"host.example", "/a/", false, TierCertain}, {"host.example", "/b?c=d", true, TierHigh}, {"host.example", "/b?c=d", false, TierNone}, {"host.example", "/", true, TierNone}} {
		if got := set.Expression(x.host, x.path, x.whole); got.Tier != x.want {
			t.Errorf("%v: %v", x, got)
		}
	}
	if got := set.File(sum); got.Tier != TierCertain {
		t.Errorf("file: %v", got)
	}
	if got := set.Object(reputation.Object{Type: reputation.TypeASN, Number: 64500}); got.Tier != TierHigh {
		t.Errorf("asn: %v", got)
	}
	var listed []string
	for p := range func(y func(netip.Prefix) bool) {
		set.Prefixes(TierHigh, func(p netip.Prefix, _ Tier) bool { return y(p) })
	} {
		listed = append(listed, p.String())
	}
	slices.Sort(listed)
	want := []string{"198.51.100.0/29", "198.51.100.10/31", "198.51.100.12/30", "198.51.100.128/25", "198.51.100.16/28", "198.51.100.32/27",
		"198.51.100.64/26", "198.51.100.8/32", "2001:db8::5/128", "203.0.113.6/32"}
	got4 := slices.DeleteFunc(slices.Clone(listed), func(s string) bool { return s[:9] == "2001:db8:" && s != "2001:db8::5/128" })
	if !slices.Equal(got4, want) {
		t.Errorf("listed %v\nwant %v", got4, want)
	}
	for _, s := range listed {
		p := netip.MustParsePrefix(s)
		if got := set.Address(p.Addr()); got < TierHigh {
			t.Errorf("%s is given and is %v", s, got)
		}
	}
}

// random makes n entries of all sorts, clustered addresses among them.
func random(r *rand.Rand, n int) entries {
	e := make(entries, n)
	for len(e) < n {
		b := reputation.Brief{Score: uint8(50 + r.IntN(51)), Kind: reputation.KindBot}
		switch r.IntN(10) {
		case 0:
			b = reputation.Brief{Local: reputation.Local(1 + r.IntN(2))}
		}
		e[randomObject(r)] = b
	}
	return e
}

func randomObject(r *rand.Rand) reputation.Object {
	var a [16]byte
	binary.BigEndian.PutUint64(a[:8], 0x20010db8<<32|uint64(r.IntN(1<<12)))
	binary.BigEndian.PutUint64(a[8:], r.Uint64()&0xf)
	switch r.IntN(8) {
	case 0:
		return domain(fmt.Sprintf("n%d.z%d.example", r.IntN(1<<20), r.IntN(50)), r.IntN(2) == 0)
	case 1:
		p, _ := netip.AddrFrom16(a).Prefix(32 + r.IntN(97))
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case 2:
		p, _ := netip.AddrFrom4([4]byte{10, byte(r.IntN(8)), byte(r.IntN(256)), byte(r.IntN(256))}).Prefix(10 + r.IntN(23))
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}
	case 3:
		binary.BigEndian.PutUint64(a[:], r.Uint64())
		return file(a[:])
	}
	return ObjectOf(netip.AddrFrom4([4]byte{10, byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}))
}

// oracle says what holds for an address by looking at every entry.
func (e entries) address(a netip.Addr) Tier {
	var covering []reputation.Object
	for o := range e {
		if o.Type == reputation.TypePrefix && o.Prefix.Contains(a) {
			covering = append(covering, o)
		}
	}
	slices.SortFunc(covering, func(x, y reputation.Object) int { return y.Prefix.Bits() - x.Prefix.Bits() })
	t := TierNone
	for _, o := range covering {
		t = over(t, TierOf(e[o]))
	}
	return t
}

func TestAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 12 {
		e := random(r, 40+round*200)
		class := ClassSmall + Class(round%3)
		snap := build(t, e, Config{Header: header(class, 1)})
		set, err := open(t, snap.Payload).WithTails(snap.Tails)
		if err != nil {
			t.Fatal(err)
		}
		if set.Len() != len(e) || snap.Kept != len(e) {
			t.Fatalf("%d of %d entries, %+v", set.Len(), len(e), snap.Given)
		}
		for range 300 {
			o := randomObject(r)
			if o.Type == reputation.TypePrefix {
				if got, want := set.Address(o.Prefix.Addr()), e.address(o.Prefix.Addr()); got != want {
					t.Fatalf("%v: %v, want %v", o.Prefix.Addr(), got, want)
				}
			} else if o.Type == reputation.TypeFile {
				if got := set.Object(o); got.Tier != TierOf(e[o]) {
					t.Fatalf("%v: %v", o, got)
				}
			}
		}
		for o, b := range e {
			switch o.Type {
			case reputation.TypeFile:
				if got := set.Object(o); got != (Match{TierOf(b), true}) {
					t.Fatalf("%v: %v, want %v", o, got, b)
				}
			case reputation.TypeDomain:
				if got := set.Domain(o.Text); got.Tier == TierNone || !got.Sure {
					t.Fatalf("%v: %v, want %v", o, got, b)
				}
			case reputation.TypePrefix:
				if got, want := set.Address(o.Prefix.Addr()), e.address(o.Prefix.Addr()); got != want {
					t.Fatalf("%v: %v, want %v", o, got, want)
				}
			}
		}
		stopped := make(entries)
		set.Prefixes(TierHigh, func(p netip.Prefix, tier Tier) bool {
			stopped[reputation.Object{Type: reputation.TypePrefix, Prefix: p}] = reputation.Brief{Score: tier.Score()}
			return true
		})
		for o := range e {
			if o.Type != reputation.TypePrefix {
				continue
			}
			a := o.Prefix.Addr()
			if got, want := stopped.address(a) > TierNone, e.address(a) >= TierHigh; got != want {
				t.Fatalf("%v in the block list: %v, want %v", a, got, want)
			}
		}
	}
}

func TestDeltaGivesTheNewerSetExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	e := random(r, 3000)
	old := build(t, e, Config{Header: header(ClassMedium, 1)})
	for version := uint64(2); version < 8; version++ {
		n := 0
		for o := range e {
			if n++; n%7 == 0 {
				delete(e, o)
			}
		}
		maps.Copy(e, random(r, 200))
		next := build(t, e, Config{Header: header(ClassMedium, version)})
		d, err := Delta(old.Payload, next.Payload)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Apply(old.Payload, d)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, next.Payload) {
			t.Fatalf("version %d: another set", version)
		}
		old = next
	}
	empty := build(t, nil, Config{Header: header(ClassMedium, 100)})
	d, err := Delta(old.Payload, empty.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Apply(old.Payload, d); err != nil || !slices.Equal(got, empty.Payload) {
		t.Fatalf("to nothing: %v", err)
	}
}

func TestClassIsKeptByScoreThenNearness(t *testing.T) {
	e := make(entries)
	for i := range 200_000 {
		e[ObjectOf(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 9}))] = score(uint8(50 + i%3*20))
	}
	e[domain("operator.example", true)] = reputation.Brief{Local: reputation.LocalDeny}
	near := func(o reputation.Object, _ reputation.Brief) uint8 {
		if o.Type == reputation.TypePrefix && o.Prefix.Addr().As4()[2]%2 == 0 {
			return 200
		}
		return 0
	}
	snap := build(t, e, Config{Header: header(ClassSmall, 1), Near: near})
	set := open(t, snap.Payload)
	if set.Bytes() > ClassSmall.Bytes() || snap.NoRoom == 0 || snap.Kept < 60_000 {
		t.Errorf("%d bytes, kept %d, no room for %d", set.Bytes(), snap.Kept, snap.NoRoom)
	}
	lost := map[string]int{}
	for o := range e {
		if set.Object(o).Tier == TierNone {
			lost[fmt.Sprint(e[o].Score, near(o, e[o]))]++
		}
	}
	if lost["90 200"] > 0 || lost["90 0"] > 0 || lost["70 0"] == 0 || lost["50 200"] == 0 || set.Domain("operator.example").Tier != TierDeny {
		t.Errorf("lost %v", lost)
	}
	t.Logf("class small: %d entries in %d bytes of memory, %d on the wire", snap.Kept, set.Bytes(), len(snap.Payload))
}

func TestInnocentIsNotTakenForAListedOne(t *testing.T) {
	e := make(entries)
	for i := range 60_000 {
		e[domain(fmt.Sprintf("bad%d.example", i), true)] = score(90)
	}
	innocent := func(i int) reputation.Object { return domain(fmt.Sprintf("good%d.example", i), true) }
	all := iter.Seq[reputation.Object](func(yield func(reputation.Object) bool) {
		for i := range 200_000 {
			if !yield(innocent(i)) {
				return
			}
		}
	})
	count := func(s *Set) (n int) {
		for o := range all {
			if s.Domain(o.Text).Tier != TierNone {
				n++
			}
		}
		return n
	}
	plain := open(t, build(t, e, Config{Header: header(ClassMedium, 1)}).Payload)
	spared := build(t, e, Config{Header: header(ClassMedium, 1), Innocent: all})
	a, b := count(plain), count(open(t, spared.Payload))
	if a == 0 || b != 0 || spared.Innocent == 0 {
		t.Errorf("taken for listed ones: %d, with the innocent known %d; left out %d", a, b, spared.Innocent)
	}
}

func TestHasCapitals(t *testing.T) {
	for n := range 20 {
		for at := range n {
			for c := range 256 {
				b := bytes.Repeat([]byte("z@[`-0\xff"), 3)[:n]
				b[at] = byte(c)
				if got := hasCapitals(string(b)); got != ('A' <= c && c <= 'Z') {
					t.Fatalf("%q: %v", b, got)
				}
			}
		}
	}
}
