package feed

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// ipset reads a line of what "ipset save" writes (ipset(8)): create lines are passed
// over, add lines give an address, prefix or range, perhaps with a timeout in
// seconds. Of an entry with a port the address is taken.
func ipset(r *lineReader, line []byte, c *reputation.Claim) error {
	verb, rest := field(uncommented(line, '#'))
	switch string(verb) {
	case "", "create", "-N", "flush", "-F", "COMMIT", "-exist", "destroy", "-X":
		return nil
	case "add", "-A":
	default:
		return &Refusal{Problem: "neither create nor add", Mend: "use the format ip for plain lists"}
	}
	_, rest = field(rest)
	element, rest := field(rest)
	element, _, _ = bytes.Cut(element, []byte(","))
	if _, _, found := bytes.Cut(rest, []byte("nomatch")); found && !bytes.Contains(rest, []byte(`"`)) {
		return &Refusal{Problem: "an exception from the set", Mend: "put it on the allow list"}
	}
	for len(rest) > 0 {
		var word []byte
		if word, rest = field(rest); string(word) == "timeout" {
			word, rest = field(rest)
			if n, ok := number(word, 1<<31); ok && n > 0 {
				c.Until = r.o.until(n)
			}
		}
	}
	return r.addressOrRange(element, c)
}

// nftables reads the elements of sets in what "nft list ruleset" writes, or in a
// script (nft(8), "elements = { … }" and "add element … { … }").
type nftables struct {
	in     *bufio.Reader
	line   int
	inside bool
	piece  []byte
	long   bool // the piece was cut
}

func openNftables(r io.Reader, o *Options) (Reader, error) {
	n := &nftables{in: bufio.NewReader(r), line: 1}
	return &entryReader{o: o, next: n.next}, nil
}

func (n *nftables) next(e *entryReader, c *reputation.Claim) error {
	for {
		end, err := n.read(e.o.MaxLine)
		if err != nil {
			return err
		}
		piece := trim(n.piece)
		was := n.inside
		switch end {
		case '{':
			n.inside = bytes.Contains(piece, []byte("element"))
		case '}':
			n.inside = false
		}
		if !was || len(piece) == 0 {
			continue
		}
		e.entry, e.text = n.line, excerpt(piece)
		if n.long {
			return &Refusal{Problem: "the element is too long", Mend: "is this the right format?"}
		}
		return element(e, string(piece), c)
	}
}

// read collects the next piece up to one of "{},", or a line's end outside of sets.
func (n *nftables) read(most int) (end byte, err error) {
	n.piece, n.long = n.piece[:0], false
	quoted, comment := false, false
	for {
		b, err := n.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch {
		case b == '\n':
			n.line++
			quoted, comment = false, false
			if !n.inside {
				return b, nil
			}
			b = ' '
		case comment:
			continue
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '#':
			comment = true
			continue
		case b == '{' || b == '}' || b == ',':
			return b, nil
		}
		if n.long = len(n.piece) >= most; !n.long {
			n.piece = append(n.piece, b)
		}
	}
}

// element reads one element: an address, prefix or range, perhaps with a timeout.
func element(e *entryReader, s string, c *reputation.Claim) error {
	words := strings.Fields(s)
	for i, w := range words[1:] {
		switch {
		case w == ".":
			return &Refusal{Problem: "a set of joined fields, not of addresses", Mend: "export a set of type ipv4_addr or ipv6_addr"}
		case i+2 < len(words) && (w == "expires" || w == "timeout" && c.Until == 0):
			if n, ok := lasting(words[i+2]); ok {
				c.Until = e.o.until(n)
			}
		}
	}
	r := lineReader{o: e.o}
	if err := r.addressOrRange([]byte(words[0]), c); err != nil {
		return err
	}
	for _, o := range r.more {
		e.also(c, o)
	}
	return nil
}
