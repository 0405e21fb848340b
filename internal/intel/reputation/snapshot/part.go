package snapshot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

const (
	partMagic = "MRC\x01"
	endMark   = 0x80

	newKind       = 1
	newConfidence = 2
	newFirst      = 4
	newLast       = 8
	newUntil      = 16
	newNote       = 32

	// maxKey is the longest key in bytes, maxNote the longest note.
	maxKey  = 2049
	maxNote = 64
	// maxNotes bounds the different notes of a part.
	maxNotes = 1 << 16
)

// ErrPart says that bytes are no part, or a damaged one; errors of Reader wrap it.
var ErrPart = errors.New("not a part of a reputation snapshot")

// Writer writes a part. It is for one goroutine.
type Writer struct {
	w     *bufio.Writer
	key   []byte
	last  reputation.Claim
	notes map[string]uint64
	n     uint64
	buf   []byte
}

// NewWriter begins a part on w.
func NewWriter(w io.Writer) *Writer {
	out := &Writer{w: bufio.NewWriterSize(w, 32<<10), notes: map[string]uint64{}}
	_, _ = out.w.WriteString(partMagic) // Close tells
	return out
}

// Write adds a claim, which ledger.Ledger.Claims gives with its key. Keys must
// rise.
func (p *Writer) Write(key []byte, c *reputation.Claim) error {
	if bytes.Compare(key, p.key) <= 0 || len(key) > maxKey {
		return fmt.Errorf("reputation snapshot: key %x after %x", key, p.key)
	}
	shared := common(p.key, key)
	b := append(p.buf[:0], p.flags(c))
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(key)-shared))
	b = append(b, key[shared:]...)
	if b[0]&newKind != 0 {
		b = append(b, byte(c.Kind))
	}
	if b[0]&newConfidence != 0 {
		b = append(b, c.Confidence)
	}
	if b[0]&newFirst != 0 {
		b = binary.AppendVarint(b, int64(int32(c.First-p.last.First)))
	}
	if b[0]&newLast != 0 {
		b = binary.AppendVarint(b, int64(int32(c.Last-p.last.Last)))
	}
	if b[0]&newUntil != 0 {
		b = binary.AppendVarint(b, int64(int32(c.Until-p.last.Until)))
	}
	if b[0]&newNote != 0 {
		b = p.note(b, c.Note)
	}
	p.key, p.last, p.buf = append(p.key[:0], key...), *c, b
	p.n++
	_, err := p.w.Write(b)
	return err
}

func (p *Writer) flags(c *reputation.Claim) (f byte) {
	for i, differs := range [...]bool{c.Kind != p.last.Kind, c.Confidence != p.last.Confidence, c.First != p.last.First,
		c.Last != p.last.Last, c.Until != p.last.Until, c.Note != p.last.Note} {
		if differs {
			f |= 1 << i
		}
	}
	return f
}

func (p *Writer) note(b []byte, text string) []byte {
	n, known := p.notes[text]
	switch {
	case text == "" || !known && len(p.notes) >= maxNotes:
		return append(b, 0)
	case known:
		return binary.AppendUvarint(b, n)
	}
	n = uint64(len(p.notes) + 1)
	p.notes[text] = n
	b = binary.AppendUvarint(b, n)
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// Close ends the part; it does not close what it writes to.
func (p *Writer) Close() error {
	if err := p.w.WriteByte(endMark); err != nil {
		return err
	}
	if _, err := p.w.Write(binary.AppendUvarint(nil, p.n)); err != nil {
		return err
	}
	return p.w.Flush()
}

func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Reader reads a part. It is for one goroutine.
type Reader struct {
	r     *bufio.Reader
	key   []byte
	claim reputation.Claim
	notes []string
	n     uint64
	begun bool
}

// NewReader reads a part from r, of which it may read more than the part has.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 32<<10), notes: []string{""}}
}

// Next reads the next claim, without its Source. At the whole part's end the
// error is io.EOF; a part that ends before it is an error that wraps ErrPart.
func (p *Reader) Next(c *reputation.Claim) error {
	if !p.begun {
		var magic [len(partMagic)]byte
		if _, err := io.ReadFull(p.r, magic[:]); err != nil {
			return p.short(err)
		}
		if string(magic[:]) != partMagic {
			return fmt.Errorf("%w: it begins with %q; is it of a newer version?", ErrPart, magic[:])
		}
		p.begun = true
	}
	flags, err := p.r.ReadByte()
	if err != nil {
		return p.short(err)
	}
	if flags == endMark {
		n, err := p.number()
		if err != nil {
			return err
		}
		if n != p.n {
			return fmt.Errorf("%w: %d claims of %d", ErrPart, p.n, n)
		}
		return io.EOF
	}
	if flags >= 2*newNote {
		return p.bad("flags")
	}
	if err := p.readKey(); err != nil {
		return err
	}
	if err := p.fields(flags); err != nil {
		return err
	}
	if p.claim.Object, err = ledger.ParseKey(p.key); err != nil {
		return p.bad("key")
	}
	p.n++
	*c = p.claim
	return nil
}

// short tells an input that ends too early from one that cannot be read.
func (p *Reader) short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off after %d claims", ErrPart, p.n)
	}
	return err
}

func (p *Reader) bad(what string) error {
	return fmt.Errorf("%w: claim %d: its %s cannot be", ErrPart, p.n+1, what)
}

func (p *Reader) number() (uint64, error) {
	n, err := binary.ReadUvarint(p.r)
	return n, p.shortOrLong(err)
}

func (p *Reader) shortOrLong(err error) error {
	if err == nil {
		return nil
	}
	if err = p.short(err); errors.Is(err, ErrPart) {
		return err
	}
	return p.bad("number") // an overflow of the varint
}

func (p *Reader) readKey() error {
	shared, err := p.number()
	if err != nil {
		return err
	}
	more, err := p.number()
	if err != nil {
		return err
	}
	if shared > uint64(len(p.key)) || more == 0 || shared+more > maxKey || more > maxKey {
		return p.bad("key's length")
	}
	old := 0
	if int(shared) < len(p.key) {
		old = int(p.key[shared]) + 1 // what the first new byte must be above
	}
	p.key = append(p.key[:shared], make([]byte, more)...)
	if _, err := io.ReadFull(p.r, p.key[shared:]); err != nil {
		return p.short(err)
	}
	if old != 0 && int(p.key[shared]) < old {
		return p.bad("place in the order")
	}
	return nil
}

func (p *Reader) fields(flags byte) error {
	c := &p.claim
	if flags&newKind != 0 {
		b, err := p.r.ReadByte()
		if err != nil {
			return p.short(err)
		}
		if c.Kind = reputation.Kind(b); c.Kind >= reputation.NumKinds {
			return p.bad("kind")
		}
	}
	if flags&newConfidence != 0 {
		b, err := p.r.ReadByte()
		if err != nil {
			return p.short(err)
		}
		if c.Confidence = b; b > 100 {
			return p.bad("confidence")
		}
	}
	for i, at := range [...]*uint32{&c.First, &c.Last, &c.Until} {
		if flags&(newFirst<<i) == 0 {
			continue
		}
		d, err := binary.ReadVarint(p.r)
		if err != nil {
			return p.shortOrLong(err)
		}
		*at += uint32(d)
	}
	if flags&newNote == 0 {
		return nil
	}
	return p.note()
}

func (p *Reader) note() error {
	n, err := p.number()
	if err != nil {
		return err
	}
	if n > uint64(len(p.notes)) || n > maxNotes {
		return p.bad("note")
	}
	if n == uint64(len(p.notes)) {
		size, err := p.number()
		if err != nil {
			return err
		}
		if size == 0 || size > maxNote {
			return p.bad("note")
		}
		var room [maxNote]byte
		if _, err := io.ReadFull(p.r, room[:size]); err != nil {
			return p.short(err)
		}
		p.notes = append(p.notes, string(room[:size]))
	}
	p.claim.Note = p.notes[n]
	return nil
}
