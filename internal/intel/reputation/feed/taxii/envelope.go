package taxii

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// MaxObject is how many bytes one object of an envelope may have.
const MaxObject = 4 << 20

// maxNext bounds a server's word for the next page, in bytes.
const maxNext = 4096

// Object is one object of a page as its server sent it. Of the members only what
// tells versions apart is read.
type Object struct {
	ID, Type string
	Version  time.Time // its modified time, or that of its making; zero where there is none
	Until    time.Time // to when it holds; zero without an end
	Revoked  bool
	Raw      []byte // the object's JSON; good until the next call of Next
}

// Reader reads a page of objects: an envelope (section 3.7), or what sloppy
// servers send in its place, a bundle or an array of objects. It keeps one
// object at a time and is for one goroutine.
type Reader struct {
	d       *json.Decoder
	guard   sizeGuard
	raw     json.RawMessage
	started bool
	inside  bool // among the objects
	bare    bool // the page is an array
	next    string
	more    bool
}

// sizeGuard ends a page of which one piece takes too many bytes.
type sizeGuard struct {
	r    io.Reader
	left int
}

func (g *sizeGuard) Read(b []byte) (int, error) {
	if g.left <= 0 {
		return 0, fmt.Errorf("an object of more than %d MB", MaxObject>>20)
	}
	n, err := g.r.Read(b[:min(len(b), g.left)])
	g.left -= n
	return n, err
}

// NewReader reads a page from r.
func NewReader(r io.Reader) *Reader {
	p := &Reader{guard: sizeGuard{r: r}}
	p.d = json.NewDecoder(&p.guard)
	return p
}

// Page tells after the end whether the server has more, and with what word to
// ask for it; the word may be missing.
func (p *Reader) Page() (next string, more bool) { return p.next, p.more }

// Next sets *o to the next object. It returns io.EOF after the last one, and
// another error for what is no page of objects.
func (p *Reader) Next(o *Object) error {
	for {
		p.guard.left = MaxObject + 4096
		if !p.started {
			if err := p.begin(); err != nil {
				return err
			}
			continue
		}
		if p.inside && p.d.More() {
			return p.object(o)
		}
		if done, err := p.member(); done || err != nil {
			return err
		}
	}
}

// begin reads what a page begins with.
func (p *Reader) begin() error {
	t, err := p.d.Token()
	if err != nil {
		return notPage(err)
	}
	p.started = true
	switch t {
	case json.Delim('{'):
	case json.Delim('['):
		p.inside, p.bare = true, true
	default:
		return errors.New("not an envelope of TAXII: it is no JSON object")
	}
	return nil
}

// member reads the end of the objects, or one member of the envelope; done comes
// with io.EOF at the end of the page.
func (p *Reader) member() (done bool, err error) {
	t, err := p.d.Token()
	switch {
	case err != nil:
		return true, notPage(err)
	case p.inside: // the end of the objects
		if p.inside = false; p.bare {
			return true, io.EOF
		}
		return false, nil
	case t == json.Delim('}'):
		return true, io.EOF
	case t == "objects":
		if t, err = p.d.Token(); err != nil {
			return true, notPage(err)
		}
		if p.inside = t == json.Delim('['); !p.inside && t != nil {
			return true, errors.New("not an envelope of TAXII: its objects are no array")
		}
		return false, nil
	}
	name, _ := t.(string)
	if err := p.d.Decode(&p.raw); err != nil {
		return true, notPage(err)
	}
	switch name {
	case "more":
		p.more = strings.Trim(string(p.raw), `"`) == "true"
	case "next":
		if p.next = word(p.raw); len(p.next) > maxNext {
			return true, errors.New("its word for the next page is too long")
		}
	}
	return false, nil
}

// word reads a string, or a number, which some servers send.
func word(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

func (p *Reader) object(o *Object) error {
	p.raw = p.raw[:0]
	if err := p.d.Decode(&p.raw); err != nil {
		return notPage(err)
	}
	var head struct {
		ID       any `json:"id"`
		Type     any `json:"type"`
		Modified any `json:"modified"`
		Created  any `json:"created"`
		Revoked  any `json:"revoked"`
		Until    any `json:"valid_until"`
	}
	*o = Object{Raw: p.raw}
	if json.Unmarshal(p.raw, &head) != nil {
		return nil // no object: whoever reads it says so
	}
	o.ID, _ = head.ID.(string)
	o.Type, _ = head.Type.(string)
	o.Revoked, _ = head.Revoked.(bool)
	if o.Version = moment(head.Modified); o.Version.IsZero() {
		o.Version = moment(head.Created)
	}
	o.Until = moment(head.Until)
	return nil
}

// moment reads a member that should be a time; the zero time is none.
func moment(v any) time.Time {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func notPage(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the page of objects ends too early")
	}
	return fmt.Errorf("not a page of objects: %w", err)
}

// CollectionURL takes the URL of a collection apart into its API root and the
// collection's identifier or alias; ok is false for a URL that is none, such as
// that of a discovery or of an API root.
func CollectionURL(text string) (root, collection string, ok bool) {
	u, err := rootURL(text)
	if err != nil {
		return "", "", false
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	for i := len(parts) - 2; i >= 0; i-- {
		if parts[i] != "collections" || !isID(parts[i+1]) || len(parts) > i+3 || len(parts) == i+3 && parts[i+2] != "objects" {
			continue
		}
		u.Path, u.RawPath, u.RawQuery, u.Fragment = "/"+strings.Join(parts[:i], "/"), "", "", ""
		return u.JoinPath("/").String(), parts[i+1], true
	}
	return "", "", false
}
