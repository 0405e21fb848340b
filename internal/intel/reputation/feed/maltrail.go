package feed

import (
	"bytes"
	"io"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// maltrail opens one file of Maltrail's static trails
// (https://github.com/stamparm/maltrail, README, section "Trails"): names, which
// hold for all names below, addresses with or without port, URLs, and paths, which
// hold on every host. The trail's name (Options.Name) becomes the note.
func maltrail(r io.Reader, o *Options) (Reader, error) {
	if !o.told && strings.Contains(o.Name, "scanner") {
		o.Source.Kind, o.told = reputation.KindScanner, true
	}
	return newLines(r, o, trail), nil
}

func trail(r *lineReader, line []byte, c *reputation.Claim) (err error) {
	word, _ := field(uncommented(line, '#'))
	if len(word) == 0 {
		return nil
	}
	if word[0] == '/' {
		return pathAlone(word, c)
	}
	if p, ok := ipv4(word); ok {
		c.Object = reputation.Object{Type: reputation.TypePrefix, Prefix: p}
		return nil
	}
	if bytes.IndexByte(word, '/') >= 0 {
		return r.trailURL(word, c)
	}
	if host, port, ok := withPort(word); ok {
		if c.Object, err = hostObject(host); err != nil {
			return err
		}
		if len(port) > 0 {
			if !r.o.told {
				c.Kind = reputation.KindC2
			}
			if o, err := canon.Endpoint(string(word)); err == nil {
				c.Object = o // its host follows
			}
		}
		return nil
	}
	if bytes.IndexAny(word, `*[]()|\^$?{}+`) >= 0 {
		return &Refusal{Problem: "a pattern, not a name", Mend: "write out the names, or use a rule of the gate"}
	}
	c.Object, err = canon.Domain(string(word))
	c.Object = canon.Widen(c.Object)
	return err
}

// pathAlone reads a path that is bad on every host. How sure that is depends on how
// much of it there is: bots use short names.
func pathAlone(word []byte, c *reputation.Claim) (err error) {
	c.Object, err = canon.Path(string(word))
	if c.Confidence = longPathConfidence; len(c.Object.Text) < longPath {
		c.Confidence = pathConfidence
	}
	return err
}

// trailURL reads a URL or a prefix of IPv6; a URL that ends with "/" or names a host
// alone stands for all below it, and with an address as the host for the
// address too.
func (r *lineReader) trailURL(word []byte, c *reputation.Claim) (err error) {
	_, rest, hasScheme := bytes.Cut(word, []byte("://"))
	if !hasScheme {
		rest = word
	}
	if _, bits, _ := bytes.Cut(rest, []byte("/")); !hasScheme && bytes.Count(word, []byte(":")) > 1 && len(bits) <= 3 {
		c.Object, err = canon.Address(string(word))
		return err
	}
	if !r.o.told {
		c.Kind = reputation.KindDistribution
	}
	if c.Object, err = canon.URL(string(word)); err != nil {
		return err
	}
	path := bytes.IndexByte(rest, '/')
	c.Object.Below = path < 0 || rest[len(rest)-1] == '/'
	if path >= 0 && path < len(rest)-1 {
		return nil
	}
	host := bytes.TrimSuffix(rest, []byte("/"))
	if h, _, ok := withPort(host); ok {
		host = h
	}
	if p, ok := ipv4(host); ok {
		r.more = append(r.more[:0], reputation.Object{Type: reputation.TypePrefix, Prefix: p})
	}
	return nil
}

// withPort splits "host:port" and "[address]:port".
func withPort(b []byte) (host, port []byte, ok bool) {
	i := bytes.LastIndexByte(b, ':')
	if i <= 0 {
		return nil, nil, false
	}
	if _, ok := number(b[i+1:], 65535); !ok {
		return b, nil, bytes.IndexByte(b, ':') != i // an IPv6 address, perhaps
	}
	host, port = b[:i], b[i+1:]
	switch {
	case host[0] == '[' && host[len(host)-1] == ']':
		host = host[1 : len(host)-1]
	case bytes.IndexByte(host, ':') >= 0:
		return b, nil, true
	}
	return host, port, true
}

// hostObject reads an address, or a name with all names below it.
func hostObject(host []byte) (o reputation.Object, err error) {
	if p, ok := ipv4(host); ok {
		return reputation.Object{Type: reputation.TypePrefix, Prefix: p}, nil
	}
	if bytes.IndexByte(host, ':') >= 0 {
		return canon.Address(string(host))
	}
	o, err = canon.Domain(string(host))
	return canon.Widen(o), err
}
