package feed

import (
	"github.com/masugata/masugata/internal/intel/reputation"
)

// dshield reads a line of DShield's block list ("first, last, prefix length,
// attacks, name, …", separated by tabs) or of its list of sources ("address with
// leading zeros, reports, targets, first seen, last seen");
// https://www.dshield.org/xml.html describes both.
func dshield(r *lineReader, line []byte, c *reputation.Claim) (err error) {
	if line[0] == '#' || line[0] == 'S' || line[0] == 's' { // a comment or the line of headings "Start …"
		return nil
	}
	first, rest := field(line)
	second, rest := field(rest)
	third, rest := field(rest)
	if len(second) == 0 {
		c.Object, err = address(unpadded(first))
		return err
	}
	if _, isNumber := number(second, 1<<31); isNumber {
		c.Object, err = address(unpadded(first))
		seen, rest := field(rest)
		last, _ := field(rest)
		c.First, c.Last = when(seen), when(last)
		return err
	}
	if bits, ok := number(third, 32); ok && bits > 0 {
		c.Object, err = address(append(append(append([]byte(nil), unpadded(first)...), '/'), third...))
		return err
	}
	return r.addressOrRange(append(append(append([]byte(nil), unpadded(first)...), '-'), unpadded(second)...), c)
}

// unpadded takes the leading zeros off the parts of a dotted quad.
func unpadded(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i, ch := range b {
		fresh := i == 0 || b[i-1] == '.' || (len(out) == 0 || out[len(out)-1] == '.')
		if ch == '0' && fresh && i+1 < len(b) && b[i+1] != '.' {
			continue
		}
		out = append(out, ch)
	}
	return out
}
