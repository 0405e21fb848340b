package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/masugata/masugata/internal/intel/reputation"
)

// A batch of questions is the four bytes "MRQ\x01", the number of questions (32
// bits, little-endian, as all numbers) and the questions: a byte 4 with the
// four bytes of an IPv4 address; 6 with the sixteen of an IPv6 address; or 16
// plus the reputation.Type, the length of the text as a varint of one or two
// bytes, and the text in canonical form. The text of a file or certificate is
// the bytes of its hash, that of an AS number its four bytes.
//
// The answer is "MRA\x01", the number of answers, and four bytes for each
// question in its order: score; kind; local in the low two bits and the type of
// the object that says so from bit 4 on; length of the prefix that says so, or
// of the matched text, at most 255.

// Bounds of a batch.
const (
	MaxBatch      = 1 << 16 // questions
	MaxBatchBytes = 4 << 20 // of a request
	batchHead     = 8
	answerSize    = 4

	askIPv4 = 4
	askIPv6 = 6
	askText = 16
)

// ErrBatch says that bytes are no batch of this format; what is wrong is in the
// text of the error around it.
var ErrBatch = errors.New("index: not a batch")

// Batch is a request that is being written. The zero value is ready; one
// goroutine uses it.
type Batch struct {
	buf []byte
	n   int
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.buf, b.n = b.buf[:0], 0 }

// Len is how many questions the batch has.
func (b *Batch) Len() int { return b.n }

// Bytes is the request; it is good until the batch is changed.
func (b *Batch) Bytes() []byte {
	if len(b.buf) == 0 {
		b.buf = append(b.buf, "MRQ\x01\x00\x00\x00\x00"...)
	}
	binary.LittleEndian.PutUint32(b.buf[4:], uint32(b.n))
	return b.buf
}

// room says whether a question of n bytes still fits.
func (b *Batch) room(n int) error {
	if b.n == MaxBatch || max(len(b.buf), batchHead)+n > MaxBatchBytes {
		return fmt.Errorf("%w: full at %d questions, %d bytes", ErrBatch, b.n, len(b.buf))
	}
	b.Bytes()
	b.n++
	return nil
}

// Address asks for an address.
func (b *Batch) Address(a netip.Addr) error {
	if !a.IsValid() {
		return fmt.Errorf("%w: no address", ErrBatch)
	}
	if err := b.room(17); err != nil {
		return err
	}
	if a = a.Unmap(); a.Is4() {
		v := a.As4()
		b.buf = append(append(b.buf, askIPv4), v[:]...)
		return nil
	}
	v := a.As16()
	b.buf = append(append(b.buf, askIPv6), v[:]...)
	return nil
}

// Text asks for an object by its canonical text; for files and certificates by
// the bytes of the hash.
func (b *Batch) Text(typ reputation.Type, text string) error {
	if text == "" || len(text) > MaxText || typ <= reputation.TypePrefix || typ >= reputation.NumTypes {
		return fmt.Errorf("%w: %v of %d bytes", ErrBatch, typ, len(text))
	}
	if err := b.room(3 + len(text)); err != nil {
		return err
	}
	b.buf = append(b.buf, askText+byte(typ))
	b.buf = binary.AppendUvarint(b.buf, uint64(len(text)))
	b.buf = append(b.buf, text...)
	return nil
}

// Object asks for any object; a prefix is asked for by its first address.
func (b *Batch) Object(o reputation.Object) error {
	switch o.Type {
	case reputation.TypePrefix:
		return b.Address(o.Prefix.Addr())
	case reputation.TypeASN:
		var v [4]byte
		binary.LittleEndian.PutUint32(v[:], o.Number)
		return b.Text(o.Type, string(v[:]))
	case reputation.TypeFile, reputation.TypeCert:
		if e := textEntry(o); e.hex {
			return b.Text(o.Type, e.text)
		}
		return fmt.Errorf("%w: %q is no hash", ErrBatch, o.Text)
	}
	return b.Text(o.Type, o.Text)
}

// Answer is what a batch says of one object.
type Answer struct {
	reputation.Brief
	Type   reputation.Type // of what is listed: a URL may be answered by its host
	Extent uint8           // length of the prefix, or of the matched text, at most 255
}

// Answer answers a request and appends the response to dst. Nothing else is
// allocated. Errors are ErrBatch; dst is then as it was.
func (x *Index) Answer(dst, request []byte) ([]byte, error) {
	n, rest, err := batchStart(request, "MRQ\x01", MaxBatch)
	if err != nil {
		return dst, err
	}
	if len(request) > MaxBatchBytes {
		return dst, fmt.Errorf("%w: %d bytes, at most %d are read", ErrBatch, len(request), MaxBatchBytes)
	}
	out := append(dst, "MRA\x01"...)
	out = binary.LittleEndian.AppendUint32(out, uint32(n))
	for i := range n {
		var a Answer
		var ok bool
		if a, rest, ok = x.ask(rest); !ok {
			return dst, fmt.Errorf("%w: question %d of %d is cut off or unknown", ErrBatch, i+1, n)
		}
		out = append(out, a.Score, byte(a.Kind), byte(a.Local)|byte(a.Type)<<4, a.Extent)
	}
	if len(rest) > 0 {
		return dst, fmt.Errorf("%w: %d bytes too many", ErrBatch, len(rest))
	}
	return out, nil
}

// batchStart reads the head of a batch.
func batchStart(b []byte, magic string, most int) (n int, rest []byte, err error) {
	if len(b) < batchHead || string(b[:4]) != magic {
		return 0, nil, fmt.Errorf("%w: it does not begin with %q", ErrBatch, magic)
	}
	count := binary.LittleEndian.Uint32(b[4:])
	if uint64(count) > uint64(most) {
		return 0, nil, fmt.Errorf("%w: %d questions, at most %d are answered", ErrBatch, count, most)
	}
	return int(count), b[batchHead:], nil
}

// ask answers the first question of b and gives what follows it.
func (x *Index) ask(b []byte) (a Answer, rest []byte, ok bool) {
	if len(b) == 0 {
		return a, nil, false
	}
	op, b := b[0], b[1:]
	switch {
	case op == askIPv4 && len(b) >= 4:
		p, bits := x.four.address(binary.BigEndian.Uint32(b))
		return answerPrefix(p, bits), b[4:], true
	case op == askIPv6 && len(b) >= 16:
		brief, bits := x.Address(netip.AddrFrom16([16]byte(b)))
		return answerBrief(brief, reputation.TypePrefix, bits), b[16:], true
	case op <= askText+byte(reputation.TypePrefix) || op >= askText+byte(reputation.NumTypes):
		return a, nil, false
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || n == 0 || n > MaxText || n > uint64(len(b)-size) {
		return a, nil, false
	}
	return x.askText(reputation.Type(op-askText), b[size:size+int(n)]), b[size+int(n):], true
}

func (x *Index) askText(typ reputation.Type, text []byte) Answer {
	switch typ {
	case reputation.TypeASN:
		if len(text) != 4 {
			return Answer{}
		}
		return answerBrief(x.ASN(binary.LittleEndian.Uint32(text)), typ, 0)
	case reputation.TypeDomain:
		b, matched := x.DomainBytes(text)
		return answerBrief(b, typ, len(matched))
	case reputation.TypeEndpoint:
		b, matched := x.Object(reputation.Object{Type: typ, Text: view(text)})
		if matched.Type == reputation.TypePrefix {
			return answerBrief(b, matched.Type, matched.Prefix.Bits())
		}
		return answerBrief(b, matched.Type, len(matched.Text))
	case reputation.TypeURL:
		b, matched := x.URL(text)
		if matched.Type == reputation.TypePrefix {
			return answerBrief(b, matched.Type, matched.Prefix.Bits())
		}
		return answerBrief(b, matched.Type, len(matched.Text))
	}
	hash := typ == reputation.TypeFile || typ == reputation.TypeCert
	return answerBrief(x.text(typ, hash, view(text)).brief.brief(), typ, len(text))
}

func answerPrefix(p packed, bits int) Answer {
	if p == 0 {
		return Answer{}
	}
	return Answer{Brief: p.brief(), Type: reputation.TypePrefix, Extent: uint8(bits)}
}

func answerBrief(b reputation.Brief, typ reputation.Type, extent int) Answer {
	if !b.Listed() {
		return Answer{}
	}
	return Answer{Brief: b, Type: typ, Extent: uint8(min(extent, 255))}
}

// Answers are the answers of a response, which it shares memory with.
type Answers []byte

// ReadAnswers checks a response. Errors are ErrBatch.
func ReadAnswers(response []byte) (Answers, error) {
	n, rest, err := batchStart(response, "MRA\x01", MaxBatch)
	if err != nil {
		return nil, err
	}
	if len(rest) != n*answerSize {
		return nil, fmt.Errorf("%w: %d answers in %d bytes", ErrBatch, n, len(rest))
	}
	return Answers(rest), nil
}

// Len is how many answers there are.
func (a Answers) Len() int { return len(a) / answerSize }

// At gives the answer to the i-th question, from 0 on.
func (a Answers) At(i int) Answer {
	b := a[i*answerSize : (i+1)*answerSize]
	return Answer{
		Brief:  reputation.Brief{Score: b[0], Kind: reputation.Kind(b[1]), Local: reputation.Local(b[2] & 3)},
		Type:   reputation.Type(b[2] >> 4),
		Extent: b[3],
	}
}
