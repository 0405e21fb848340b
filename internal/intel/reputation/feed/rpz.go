package feed

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// zone is a response policy zone in master file form (RFC 1035, section 5; policy as
// in the draft draft-vixie-dnsop-dns-rpz). Names and addresses in answers are
// read; what RPZ lets through ("rpz-passthru.") is benign.
type zone struct {
	origin string
	owner  string
	depth  int // of parentheses
}

func openRPZ(r io.Reader, o *Options) (Reader, error) {
	z := &zone{origin: strings.ToLower(strings.Trim(o.Mapping["origin"], "."))}
	return newLines(r, o, z.read), nil
}

func (z *zone) read(r *lineReader, line []byte, c *reputation.Claim) error {
	line = zoneText(line)
	depth := z.depth
	z.depth += bytes.Count(line, []byte("(")) - bytes.Count(line, []byte(")"))
	z.depth = max(z.depth, 0)
	words := strings.Fields(string(line))
	if depth > 0 || len(words) == 0 {
		return nil // the rest of a record that takes several lines, the SOA
	}
	switch strings.ToUpper(words[0]) {
	case "$ORIGIN":
		if len(words) > 1 {
			z.origin = strings.ToLower(strings.Trim(words[1], "."))
		}
		return nil
	case "$TTL":
		return nil
	case "$INCLUDE", "$GENERATE":
		return &Refusal{Problem: "a zone file's directive that is not read", Mend: "write the records out"}
	}
	if !r.indented {
		z.owner, words = strings.ToLower(words[0]), words[1:]
	}
	kind, data := record(words)
	switch kind {
	case "SOA":
		if z.origin == "" && z.owner != "@" {
			z.origin = strings.Trim(z.owner, ".")
		}
		return nil
	case "NS", "":
		if kind == "" {
			return &Refusal{Problem: "not a record", Mend: "write name, type and data"}
		}
		return nil
	}
	if kind == "CNAME" {
		switch strings.ToLower(data) {
		case "rpz-passthru.", "rpz-passthru":
			c.Kind = reputation.KindBenign
		case "rpz-tcp-only.":
			return &Refusal{Problem: "a policy that only asks for TCP"}
		}
	}
	var err error
	c.Object, err = z.trigger()
	return err
}

// record finds type and first datum after time to live and class.
func record(words []string) (kind, data string) {
	for i, w := range words {
		w = strings.ToUpper(w)
		_, isTTL := lasting(strings.ToLower(w))
		if w == "IN" || isTTL {
			continue
		}
		if i+1 < len(words) {
			data = words[i+1]
		}
		return w, data
	}
	return "", ""
}

// trigger reads the owner.
func (z *zone) trigger() (reputation.Object, error) {
	name := z.owner
	if absolute := strings.HasSuffix(name, "."); absolute {
		if name = strings.Trim(name, "."); z.origin != "" {
			cut, found := strings.CutSuffix(name, "."+z.origin)
			if !found {
				return reputation.Object{}, &Refusal{Problem: "a name outside of the zone", Mend: "set the mapping origin to the zone's name"}
			}
			name = cut
		}
	}
	if cut, found := strings.CutSuffix(name, ".rpz-ip"); found {
		return answer(cut)
	}
	for _, other := range [...]string{".rpz-client-ip", ".rpz-nsip", ".rpz-nsdname"} {
		if strings.HasSuffix(name, other) {
			return reputation.Object{}, &Refusal{Problem: "a trigger on clients or name servers", Mend: "triggers on names and on addresses in answers are read"}
		}
	}
	return canon.Domain(name)
}

// answer reads the owner of an address in answers: the prefix length, then the parts
// from the last to the first, "zz" for the longest run of zeros of IPv6.
func answer(s string) (reputation.Object, error) {
	bad := &Refusal{Problem: "not an address in reverse order", Mend: "write 32.1.2.0.192 for 192.0.2.1/32"}
	parts := strings.Split(s, ".")
	bits, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) > 9 {
		return reputation.Object{}, bad
	}
	var turned []string
	for i := len(parts) - 1; i > 0; i-- {
		turned = append(turned, parts[i])
	}
	addr := strings.Join(turned, ".")
	if len(turned) != 4 || strings.Contains(s, "zz") {
		addr = strings.Join(turned, ":")
		addr = strings.Replace(addr, "zz", "", 1)
		if strings.HasPrefix(addr, ":") {
			addr = ":" + addr
		}
		if strings.HasSuffix(addr, ":") {
			addr += ":"
		}
		if addr == ":::" || addr == ":" {
			addr = "::"
		}
	}
	a, err := netip.ParseAddr(addr)
	if err != nil || bits < 0 || bits > a.BitLen() {
		return reputation.Object{}, bad
	}
	return canon.Address(netip.PrefixFrom(a, bits).String())
}

// zoneText cuts the comment of a zone file's line off, not inside of quotes.
func zoneText(line []byte) []byte {
	quoted := false
	for i, ch := range line {
		switch {
		case ch == '"':
			quoted = !quoted
		case ch == ';' && !quoted:
			return trim(line[:i])
		}
	}
	return line
}
