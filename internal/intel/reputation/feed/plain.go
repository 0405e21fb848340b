package feed

import (
	"bytes"
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// plain makes the parser of a list with one object a line, read by what. "#" and
// ";" begin comments, "//" too where a line begins with it; words after the object
// are left out.
func plain(what func(word []byte) (reputation.Object, error)) parser {
	return func(r *lineReader, line []byte, c *reputation.Claim) (err error) {
		if line[0] == ';' || line[0] == '#' || bytes.HasPrefix(line, []byte("//")) {
			return nil
		}
		word, _ := field(uncommented(line, '#'))
		if n := len(word); n > 1 && (word[n-1] == ',' || word[n-1] == ';') {
			word = word[:n-1]
		}
		if c.Object, err = what(word); err != nil {
			return err
		}
		if r.o.Below {
			c.Object = canon.Widen(c.Object)
		}
		return nil
	}
}

// text adapts a parser of package canon.
func text(what func(string) (reputation.Object, error)) func([]byte) (reputation.Object, error) {
	return func(b []byte) (reputation.Object, error) { return what(string(b)) }
}

// mixed reads any object.
func mixed(b []byte) (reputation.Object, error) {
	if p, ok := ipv4(b); ok {
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}, nil
	}
	return canon.Guess(string(b))
}

// addresses reads a line of an address list: an address, a prefix, or a range
// "first-last", which may become several prefixes.
func addresses(r *lineReader, line []byte, c *reputation.Claim) (err error) {
	if line[0] == ';' || line[0] == '#' || bytes.HasPrefix(line, []byte("//")) {
		return nil
	}
	word, rest := field(uncommented(line, '#'))
	if len(rest) > 1 && rest[0] == '-' { // "first - last"
		end, _ := field(rest[1:])
		word = append(append(append([]byte(nil), word...), '-'), end...)
	}
	if n := len(word); n > 1 && (word[n-1] == ',' || word[n-1] == ';') {
		word = word[:n-1]
	}
	return r.addressOrRange(word, c)
}

// addressOrRange fills in the claim, and r.more for a range of several prefixes.
func (r *lineReader) addressOrRange(word []byte, c *reputation.Claim) (err error) {
	lo, hi, isRange := bytes.Cut(word, []byte("-"))
	if !isRange {
		c.Object, err = address(word)
		return err
	}
	first, err1 := netip.ParseAddr(string(lo))
	last, err2 := netip.ParseAddr(string(hi))
	list, ok := span(first, last)
	if err1 != nil || err2 != nil || !ok {
		return &Refusal{Problem: "not a range of addresses", Mend: "write first-last, both IPv4 or both IPv6"}
	}
	r.more = r.more[:0]
	for _, p := range list {
		o := reputation.Object{Type: reputation.TypePrefix, Prefix: p}
		if err := settle(&reputation.Claim{Object: o, Kind: c.Kind}, r.o); err != nil {
			return err
		}
		r.more = append(r.more, o)
	}
	c.Object, r.more = r.more[0], r.more[1:]
	return nil
}
