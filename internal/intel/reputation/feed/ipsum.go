package feed

import "github.com/masugata/masugata/internal/intel/reputation"

// agreement is the confidence, by how many lists name an address: each list is
// taken to be right in 35 of 100 cases by itself, so 1-0.65^n.
var agreement = [...]uint8{0, 35, 58, 73, 82, 88, 92, 95, 97, 98, 99}

// ipsum reads a line of IPsum: an address and the number of lists that name it.
func ipsum(_ *lineReader, line []byte, c *reputation.Claim) (err error) {
	if line[0] == '#' {
		return nil
	}
	word, rest := field(line)
	count, _ := field(rest)
	n, ok := number(count, 1_000_000)
	if !ok || n == 0 {
		return &Refusal{Problem: "no number of lists after the address", Mend: "use the format ip for plain addresses"}
	}
	c.Confidence = agreement[min(n, uint32(len(agreement)-1))]
	c.Object, err = address(word)
	return err
}

// number reads a decimal number up to most.
func number(b []byte, most uint32) (n uint32, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	var v uint64
	for _, ch := range b {
		if ch < '0' || ch > '9' {
			return 0, false
		}
		v = v*10 + uint64(ch-'0')
	}
	return uint32(v), v <= uint64(most)
}
