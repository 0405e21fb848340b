package feed

import (
	"bytes"
	"strings"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
)

// role is what a column or member of an entry tells.
type role uint8

const (
	roleNone role = iota
	roleObject
	roleAlso // a further object of the entry
	roleType // what the object is; a word of the table's own
	roleKind
	roleNote
	roleFirst
	roleLast
	roleUntil
	roleLasting // a duration, from now
	roleConfidence
	roleMaker // with roleModel the object, a device
	roleModel
)

// column is the use of one column.
type column struct {
	role role
	read func([]byte) (reputation.Object, error) // of roleObject and roleAlso; nil is by the type's column, or any object
}

// table says what the columns of a feed are called and mean.
type table struct {
	comma byte
	names map[string]column                                  // by lower-case heading
	order []string                                           // headings where the feed has none
	kinds map[string]reputation.Kind                         // words of roleKind
	types map[string]func([]byte) (reputation.Object, error) // words of roleType
	found []column                                           // by position
	cells [][]byte
}

// read fills in the claim of one line; further objects go to r.more.
func (t *table) read(r *lineReader, line []byte, c *reputation.Claim) error {
	if line[0] == '#' {
		t.heading(bytes.TrimLeft(line, "# "), min(2, len(t.names)))
		return nil
	}
	if t.found == nil && (len(t.order) == 0 || t.isHeading(line)) {
		if t.heading(line, 1); t.found == nil {
			return &Refusal{Problem: "none of the columns is known", Mend: "name the column of the object in the mapping"}
		}
		return nil
	}
	if t.found == nil {
		t.found = t.uses(t.order)
	}
	var ok bool
	if t.cells, ok = cells(line, t.comma, t.cells[:0]); !ok {
		return &Refusal{Problem: "a quote that is not closed", Mend: "write each entry on one line"}
	}
	return t.fill(r, c)
}

// heading takes a line as the columns' headings when at least so many are known.
func (t *table) heading(line []byte, least int) {
	found, ok := cells(append([]byte(nil), line...), t.comma, nil)
	if !ok {
		return
	}
	var names []string
	known := 0
	for _, f := range found {
		name := strings.ToLower(string(f))
		if _, ok := t.names[name]; ok {
			known++
		}
		names = append(names, name)
	}
	if known >= least {
		t.found = t.uses(names)
	}
}

// isHeading says whether a line holds nothing but known headings where they are told.
func (t *table) isHeading(line []byte) bool {
	first, _, _ := bytes.Cut(line, []byte{t.comma})
	_, ok := t.names[strings.ToLower(string(bytes.Trim(first, `" `)))]
	if !ok && len(t.order) > 0 {
		ok = strings.EqualFold(string(bytes.Trim(first, `" `)), t.order[0])
	}
	return ok
}

func (t *table) uses(names []string) []column {
	out := make([]column, len(names))
	for i, n := range names {
		out[i] = t.names[n]
	}
	return out
}

// fill takes the cells into the claim.
func (t *table) fill(r *lineReader, c *reputation.Claim) error {
	var object []byte
	var how func([]byte) (reputation.Object, error)
	var word string
	var maker, model []byte
	typed := false
	r.more = r.more[:0]
	for i, use := range t.found {
		if i >= len(t.cells) {
			break
		}
		cell := t.cells[i]
		if use.role == roleNone || none(cell) {
			continue
		}
		switch use.role {
		case roleObject:
			if object == nil {
				object, how = cell, use.read
				break
			}
			fallthrough
		case roleAlso:
			if use.read == nil {
				break
			}
			if o, err := use.read(cell); err == nil {
				r.more = append(r.more, o)
			}
		case roleMaker:
			maker = cell
		case roleModel:
			model = cell
		case roleType:
			typed, word = true, string(cell)
		default:
			t.tell(r.o, use.role, cell, c)
		}
	}
	if object == nil && maker != nil {
		object, how = deviceOf(maker, model), text(canon.Device)
	}
	if object == nil && len(r.more) > 0 {
		c.Object, r.more = r.more[0], r.more[1:]
		return nil
	}
	if object == nil {
		return &Refusal{Problem: "no object in its columns"}
	}
	if how == nil {
		if how = mixed; typed {
			if how = t.types[word]; how == nil {
				return &Refusal{Problem: "an object of unknown type " + word, Mend: "addresses, names, URLs, hashes, certificates and mail are read"}
			}
		}
	}
	var err error
	c.Object, err = how(object)
	return err
}

// deviceOf joins a maker and a model; without a model all of the maker's are meant.
func deviceOf(maker, model []byte) []byte {
	maker = bytes.ReplaceAll(maker, []byte("/"), []byte(" "))
	if len(model) == 0 {
		model = []byte("*")
	}
	return append(append(append([]byte(nil), maker...), '/'), model...)
}

// tell takes what a cell says besides the object.
func (t *table) tell(o *Options, use role, cell []byte, c *reputation.Claim) {
	switch use {
	case roleKind:
		word := strings.ToLower(string(cell))
		if k, ok := t.kinds[word]; ok {
			c.Kind = k
		} else if k, ok := reputation.ParseKind(word); ok {
			c.Kind = k
		}
	case roleNote:
		c.Note = note(string(cell))
	case roleFirst:
		c.First = when(cell)
	case roleLast:
		c.Last = when(cell)
	case roleUntil:
		c.Until = when(cell)
	case roleLasting:
		if n, ok := lasting(string(cell)); ok {
			c.Until = o.until(n)
		}
	case roleConfidence:
		c.Confidence = confidence(string(cell))
	}
}

// none says whether a cell holds one of the words for nothing.
func none(cell []byte) bool {
	switch string(cell) {
	case "", "-", "n/a", "N/A", "None", "none", "null", "NULL":
		return true
	}
	return false
}

// cells splits a line of comma-separated values (RFC 4180, with blanks allowed
// around the commas) into out. Quoted cells are unquoted in place. ok is false
// when a quote is not closed.
func cells(line []byte, comma byte, out [][]byte) (_ [][]byte, ok bool) {
	for {
		line = trimLeft(line, comma)
		if len(line) == 0 || line[0] != '"' {
			i := bytes.IndexByte(line, comma)
			if i < 0 {
				return append(out, trim(line)), true
			}
			out, line = append(out, trim(line[:i])), line[i+1:]
			continue
		}
		to, i := 0, 1
		for ; i < len(line); i++ {
			if line[i] == '"' {
				if i+1 == len(line) || line[i+1] != '"' {
					break
				}
				i++
			}
			line[to] = line[i]
			to++
		}
		if i == len(line) {
			return out, false
		}
		out = append(out, line[:to])
		next := bytes.IndexByte(line[i+1:], comma)
		if next < 0 {
			return out, true
		}
		line = line[i+1+next+1:]
	}
}

func trimLeft(b []byte, comma byte) []byte {
	for len(b) > 0 && b[0] <= ' ' && b[0] != comma {
		b = b[1:]
	}
	return b
}

// socket reads "address:port" and "name:port", also without the port.
func socket(b []byte) (reputation.Object, error) {
	if host, port, ok := withPort(b); ok && len(port) == 0 {
		b = host
	}
	return mixed(b)
}

func asDomain(b []byte) (reputation.Object, error) { return canon.Domain(string(b)) }
func asURL(b []byte) (reputation.Object, error)    { return canon.URL(string(b)) }
func asFile(b []byte) (reputation.Object, error)   { return canon.File(string(b)) }
