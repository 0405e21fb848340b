package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// Summary is what Scan learns of a batch.
type Summary struct {
	Events      int
	MaxSeverity model.Severity
}

// ErrForeignDevice is returned by Scan, wrapped, when a batch speaks for
// another device than the sender's own.
var ErrForeignDevice = errors.New("event about a device that is not the sender's own")

// Scan checks that batch is a serialised EventBatch that a Decoder will read,
// without building events: bounds, field types, ids, UTF-8, severity, layer.
// With own set, an event that names another device is refused (an event that
// names none passes). It allocates only for errors.
func Scan(batch []byte, own model.DeviceID) (Summary, error) {
	var s Summary
	if len(batch) > MaxBatchBytes {
		return s, fmt.Errorf("batch of %d bytes, at most %d are taken", len(batch), MaxBatchBytes)
	}
	for len(batch) > 0 {
		ev, rest, err := nextEvent(batch)
		if err != nil {
			return s, fmt.Errorf("batch event %d: %w", s.Events+1, err)
		}
		batch = rest
		if ev == nil {
			continue
		}
		s.Events++
		if s.Events > MaxBatchEvents {
			return s, fmt.Errorf("batch of more than %d events", MaxBatchEvents)
		}
		sev, err := scanEvent(ev, own)
		if err != nil {
			return s, fmt.Errorf("batch event %d: %w", s.Events, err)
		}
		s.MaxSeverity = max(s.MaxSeverity, sev)
	}
	return s, nil
}

// nextEvent cuts the next field off a batch: ev is nil for a field of a newer
// version that is passed over.
func nextEvent(b []byte) (ev, rest []byte, err error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, nil, errBroken
	}
	b = b[n:]
	if num != 1 {
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return nil, nil, errBroken
		}
		return nil, b[n:], nil
	}
	if typ != protowire.BytesType {
		return nil, nil, errType
	}
	v, n := protowire.ConsumeBytes(b)
	if n < 0 {
		return nil, nil, errBroken
	}
	if len(v) > MaxEventBytes {
		return nil, nil, fmt.Errorf("%d bytes, at most %d are taken", len(v), MaxEventBytes)
	}
	if v == nil {
		v = []byte{}
	}
	return v, b[n:], nil
}

var (
	errBroken   = errors.New("not a protobuf message: cut short or malformed")
	errType     = errors.New("field has the wrong wire type")
	errEventID  = errors.New("event id is not 16 bytes")
	errSeverity = errors.New("severity above 4")
	errLayer    = errors.New("layer above 4")
	errUTF8     = errors.New("text is not valid UTF-8")
)

func scanEvent(b []byte, own model.DeviceID) (model.Severity, error) {
	var sev model.Severity
	lists, id := 0, false
	err := eachField(b, func(f field) error {
		switch f.num {
		case 1:
			id = true
		case 4:
			if own != "" && len(f.bytes) > 0 && string(f.bytes) != string(own) {
				return fmt.Errorf("%w: %.64q, the sender runs on %s", ErrForeignDevice, f.bytes, own)
			}
		case 7:
			sev = model.Severity(f.val)
		case 11:
			if lists++; lists > MaxList {
				return errList
			}
		}
		if err := checkEventField(f); err != nil {
			return err
		}
		switch f.num {
		case 15:
			return decodeFlood(f.bytes, nil)
		case 16:
			return decodeProcess(f.bytes, nil)
		case 17:
			return decodeFile(f.bytes, nil)
		}
		return nil
	})
	if err == nil && !id {
		err = errEventID
	}
	return sev, err
}

// checkEventField checks one field of an event, except for what is inside of
// its evidence.
func checkEventField(f field) error {
	if want, ok := eventFieldType(f.num); ok && f.typ != want {
		return errType
	}
	switch f.num {
	case 1:
		if len(f.bytes) != 16 {
			return errEventID
		}
	case 5:
		if f.val > 4 {
			return errLayer
		}
	case 7:
		if f.val > 4 {
			return errSeverity
		}
	case 4, 6, 9, 14:
		return checkText(f.bytes, MaxShort)
	case 8, 12, 13:
		return checkText(f.bytes, MaxText)
	case 11:
		return eachField(f.bytes, scanPair)
	}
	return nil
}

func scanPair(f field) error {
	if f.num != 1 && f.num != 2 {
		return nil
	}
	if f.typ != protowire.BytesType {
		return errType
	}
	if f.num == 1 {
		return checkText(f.bytes, MaxShort)
	}
	return checkText(f.bytes, MaxText)
}

// eventFieldType gives the wire type of a known field of Event.
func eventFieldType(n protowire.Number) (protowire.Type, bool) {
	switch n {
	case 2:
		return protowire.Fixed64Type, true
	case 3, 5, 7, 10:
		return protowire.VarintType, true
	case 1, 4, 6, 8, 9, 11, 12, 13, 14, 15, 16, 17:
		return protowire.BytesType, true
	}
	return 0, false
}

// field is one field of a message; bytes or val is set by its type.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	val   uint64
	bytes []byte // aliases the message
}

// eachField calls f for every field of the message b and passes its error on.
func eachField(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errBroken
		}
		b = b[n:]
		fd := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			fd.val, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			fd.val, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			fd.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return errBroken
		}
		b = b[n:]
		if err := f(fd); err != nil {
			return err
		}
	}
	return nil
}

func checkText(b []byte, limit int) error {
	if len(b) > limit {
		return fmt.Errorf("text of %d bytes, at most %d are taken", len(b), limit)
	}
	if !utf8.Valid(b) {
		return errUTF8
	}
	return nil
}
