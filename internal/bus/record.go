package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// The message on the bus: a byte with the format's version, then records one
// after the other, each as length-prefixed fields. It lives only between two
// parts of one program version, but a restart after an update may find older
// messages, hence the version.
const recordVersion = 1

var errRecord = errors.New("bus: record is cut off or not of this version")

// appendRecord writes one batch.
func appendRecord(dst []byte, b *Batch) []byte {
	dst = appendText(dst, string(b.Part))
	dst = appendText(dst, string(b.Role))
	dst = appendText(dst, string(b.Device))
	dst = binary.LittleEndian.AppendUint64(dst, b.Epoch)
	dst = binary.LittleEndian.AppendUint64(dst, b.Seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Received.UnixNano()))
	dst = binary.AppendUvarint(dst, uint64(len(b.Events)))
	return append(dst, b.Events...)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// readRecords gives all batches of a message's content. Events alias src.
func readRecords(src []byte) ([]Batch, error) {
	var out []Batch
	r := reader{rest: src}
	for len(r.rest) > 0 {
		b := Batch{
			Part:   model.PartID(r.bytes()),
			Role:   model.Role(r.bytes()),
			Device: model.DeviceID(r.bytes()),
			Epoch:  r.uint64(),
			Seq:    r.uint64(),
		}
		b.Received = time.Unix(0, int64(r.uint64())).UTC()
		b.Events = r.bytes()
		if r.bad {
			return nil, errRecord
		}
		out = append(out, b)
	}
	return out, nil
}

type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) bytes() []byte {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[size : size+int(n)]
	r.rest = r.rest[size+int(n):]
	return b
}

func (r *reader) uint64() uint64 {
	if len(r.rest) < 8 {
		r.bad, r.rest = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return v
}

// Numbers of the fields that scan looks at, from api/link/v1/link.proto.
const (
	fieldEvents   protowire.Number = 1 // EventBatch.events
	fieldSeverity protowire.Number = 7 // Event.severity
)

// scan walks over a serialised EventBatch without decoding it: how many events,
// and the highest severity.
func scan(b []byte) (events int, highest model.Severity, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		if num != fieldEvents || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return 0, 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
			}
			b = b[n:]
			continue
		}
		event, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return 0, 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		severity, err := scanEvent(event)
		if err != nil {
			return 0, 0, err
		}
		highest = max(highest, severity)
		events++
	}
	return events, highest, nil
}

func scanEvent(b []byte) (severity model.Severity, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
		if num == fieldSeverity && typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b)
			if n >= 0 {
				severity = model.Severity(min(v, 255))
			}
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return 0, fmt.Errorf("%w: %w", ErrMalformed, protowire.ParseError(n))
		}
		b = b[n:]
	}
	return severity, nil
}
