package main

import "bytes"

// content is one content of a rule with its modifiers.
type content struct {
	pattern              []byte
	nocase, negated      bool
	startswith, endswith bool
	depth, offset        int // -1 is absent
	distance, within     int // noDistance is absent
	at                   int // where place has put it
	after                int // the end of the content before it
}

const noDistance = -1 << 31

// demand is what a rule asks of one buffer.
type demand struct {
	contents  []content
	size      int // bsize, -1 is absent
	dotprefix bool
}

// build makes a buffer that begins with start and meets the demand.
func (d *demand) build(start string, filler byte) ([]byte, bool) {
	buf := []byte(start)
	end := 0
	for i := range d.contents {
		c := &d.contents[i]
		if c.negated {
			continue
		}
		at := len(buf)
		switch {
		case c.startswith:
			at = 0
		case c.offset >= 0:
			at = c.offset
		case c.distance != noDistance:
			at = max(end+c.distance, 0)
			if c.distance < 0 {
				return nil, false
			}
		case c.within != noDistance:
			at = end
		}
		for len(buf) < at {
			buf = append(buf, filler)
		}
		overlap := min(len(c.pattern), len(buf)-at)
		if !bytes.Equal(buf[at:at+overlap], c.pattern[:overlap]) {
			return nil, false
		}
		buf = append(buf, c.pattern[overlap:]...)
		c.at, c.after = at, end
		end = at + len(c.pattern)
	}
	for d.size > len(buf) {
		buf = append(buf, filler)
	}
	return buf, d.met(buf)
}

// met checks a finished buffer.
func (d *demand) met(buf []byte) bool {
	if d.size >= 0 && len(buf) != d.size {
		return false
	}
	lower := bytes.ToLower(buf)
	for _, c := range d.contents {
		if c.negated {
			if bytes.Contains(lower, bytes.ToLower(c.pattern)) {
				return false
			}
			continue
		}
		end := c.at + len(c.pattern)
		switch {
		case c.startswith && c.at != 0,
			c.endswith && end != len(buf),
			c.depth >= 0 && end > max(c.offset, 0)+c.depth,
			c.within != noDistance && end > c.after+c.within:
			return false
		}
	}
	return true
}
