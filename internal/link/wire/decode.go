package wire

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// Decoder reads batches. It keeps short words that come again and again
// (kinds, rules, device ids, techniques) once instead of once an event. A
// Decoder is for one goroutine; its zero value is ready.
type Decoder struct {
	// Scanned says that Scan has accepted the batches: their fields are not
	// checked again. On others it may read words of no meaning, but nothing worse.
	Scanned bool

	words map[string]string
}

// maxWords bounds the memory of a Decoder (about 64 bytes a word).
const maxWords = 16384

func (d *Decoder) word(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if d == nil || len(b) > 64 {
		return string(b)
	}
	if s, ok := d.words[string(b)]; ok {
		return s
	}
	if d.words == nil || len(d.words) >= maxWords {
		d.words = make(map[string]string, 64)
	}
	s := string(b)
	d.words[s] = s
	return s
}

// Batch reads a serialised EventBatch and calls f with each event in order.
// The event's Reporter is set to reporter; the event and all it points to
// belong to f and share no memory with batch. It stops at the first error,
// f's included. What Scan accepted gives no error of its own.
func (d *Decoder) Batch(batch []byte, reporter model.PartID, f func(*model.Event) error) error {
	if len(batch) > MaxBatchBytes {
		return fmt.Errorf("batch of %d bytes, at most %d are taken", len(batch), MaxBatchBytes)
	}
	for i := 1; len(batch) > 0; i++ {
		ev, rest, err := nextEvent(batch)
		if err != nil {
			return fmt.Errorf("batch event %d: %w", i, err)
		}
		if i > MaxBatchEvents {
			return fmt.Errorf("batch of more than %d events", MaxBatchEvents)
		}
		batch = rest
		if ev == nil {
			i--
			continue
		}
		e := new(model.Event)
		if err := d.Event(ev, e); err != nil {
			return fmt.Errorf("batch event %d: %w", i, err)
		}
		e.Reporter = reporter
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// Event reads one serialised Event into e, which it clears first.
func (d *Decoder) Event(b []byte, e *model.Event) error {
	*e = model.Event{}
	var after int64
	id := false
	check := d == nil || !d.Scanned
	err := eachField(b, func(f field) error {
		if check {
			if err := checkEventField(f); err != nil {
				return err
			}
		}
		switch f.num {
		case 1:
			id = true
			copy(e.ID[:], f.bytes)
		case 2:
			e.Time = fromUnixNano(int64(f.val))
		case 3:
			after = protowire.DecodeZigZag(f.val)
		case 4:
			e.Device = model.DeviceID(d.word(f.bytes))
		case 5:
			e.Layer = model.Layer(f.val)
		case 6:
			e.Kind = model.Kind(d.word(f.bytes))
		case 7:
			e.Severity = model.Severity(f.val)
		case 8:
			e.Subject = string(f.bytes)
		case 9:
			e.Rule = d.word(f.bytes)
		case 10:
			e.Count = clampU32(f.val)
		case 11:
			if len(e.Observables) >= MaxList {
				return errList
			}
			e.Observables = append(e.Observables, d.observable(f.bytes))
		case 12:
			e.Explanation = d.word(f.bytes)
		case 13:
			e.Advice = d.word(f.bytes)
		case 14:
			e.Technique = d.word(f.bytes)
		default:
			return decodeEvidence(f, e)
		}
		return nil
	})
	if err == nil && !id {
		err = errEventID
	}
	if !e.Time.IsZero() {
		e.Last = e.Time.Add(time.Duration(after))
	}
	return err
}

func decodeEvidence(f field, e *model.Event) error {
	if f.num < 15 || f.num > 17 {
		return nil
	}
	e.Flood, e.Process, e.File = nil, nil, nil // the last one wins, as in any oneof
	switch f.num {
	case 15:
		e.Flood = new(model.FloodEvidence)
		return decodeFlood(f.bytes, e.Flood)
	case 16:
		e.Process = new(model.ProcessEvidence)
		return decodeProcess(f.bytes, e.Process)
	}
	e.File = new(model.FileEvidence)
	return decodeFile(f.bytes, e.File)
}

func (d *Decoder) observable(b []byte) (o model.Observable) {
	// Cannot fail: the field was checked before, here or by Scan.
	_ = eachField(b, func(f field) error {
		switch f.num {
		case 1:
			o.Type = model.ObservableType(d.word(f.bytes))
		case 2:
			o.Value = string(f.bytes)
		}
		return nil
	})
	return o
}

var (
	errList    = fmt.Errorf("more than %d elements in a list", MaxList)
	errNumber  = errors.New("number out of range")
	errAddr    = errors.New("address is not 4 or 16 bytes with a prefix length that fits")
	errRemotes = errors.New("remote is not ADDRESS:PORT")
)

// decodeFlood reads into f, or only checks when f is nil; so do its siblings.
func decodeFlood(b []byte, f *model.FloodEvidence) error {
	if f == nil {
		f = new(model.FloodEvidence)
	}
	return eachField(b, func(x field) (err error) {
		switch x.num {
		case 1:
			var s string
			s, err = x.text(MaxShort)
			f.Vector = model.Vector(s)
		case 2:
			if x.typ != protowire.BytesType {
				return errType
			}
			return decodeShape(x.bytes, &f.Shape)
		case 3:
			f.PPS, err = x.double()
		case 4:
			f.BPS, err = x.double()
		case 5:
			f.BaselinePPS, err = x.double()
		case 6:
			f.Packets, err = x.number(math.MaxUint64)
		case 7:
			err = setU32(&f.Sources, x)
		case 8:
			if x.typ != protowire.BytesType {
				return errType
			}
			f.Process = new(model.ProcessEvidence)
			return decodeProcess(x.bytes, f.Process)
		}
		return err
	})
}

func decodeShape(b []byte, s *model.Shape) error {
	*s = model.Shape{}
	var dst []byte
	var bits uint64
	err := eachField(b, func(x field) (err error) {
		switch x.num {
		case 1:
			err = setU8(&s.Proto, x)
		case 2:
			if x.typ != protowire.BytesType {
				return errType
			}
			dst = x.bytes
		case 3:
			bits, err = x.number(128)
		case 4:
			err = setU16(&s.DstPort, x)
		case 5:
			err = setU16(&s.SrcPort, x)
		case 6:
			err = setU16(&s.LenMin, x)
		case 7:
			err = setU16(&s.LenMax, x)
		case 8:
			err = setU8(&s.TCPFlags, x)
		case 9:
			err = setU8(&s.TCPMask, x)
		case 10:
			var v uint64
			v, err = x.number(1)
			s.Spoofed = v == 1
		}
		return err
	})
	if err != nil || len(dst) == 0 {
		return err
	}
	addr, ok := netip.AddrFromSlice(dst)
	if !ok || int(bits) > addr.BitLen() {
		return errAddr
	}
	s.Dst = netip.PrefixFrom(addr, int(bits))
	return nil
}

func decodeProcess(b []byte, p *model.ProcessEvidence) error {
	if p == nil {
		p = new(model.ProcessEvidence)
	}
	return eachField(b, func(x field) (err error) {
		switch x.num {
		case 1:
			err = setU32(&p.PID, x)
		case 2:
			p.Start, err = x.number(math.MaxUint64)
		case 3:
			p.Path, err = x.text(MaxText)
		case 4:
			p.SHA256, err = x.text(MaxShort)
		case 5:
			var s string
			if s, err = x.text(MaxText); err == nil {
				p.Args, err = appendBounded(p.Args, s)
			}
		case 6:
			err = setU32(&p.UID, x)
		case 7:
			err = setU32(&p.ParentPID, x)
		case 8:
			p.ParentPath, err = x.text(MaxText)
		case 9:
			var s string
			if s, err = x.text(128); err != nil {
				return err
			}
			r, perr := netip.ParseAddrPort(s)
			if perr != nil {
				return errRemotes
			}
			p.Remotes, err = appendBounded(p.Remotes, r)
		}
		return err
	})
}

func decodeFile(b []byte, p *model.FileEvidence) error {
	if p == nil {
		p = new(model.FileEvidence)
	}
	return eachField(b, func(x field) (err error) {
		switch x.num {
		case 1:
			p.Path, err = x.text(MaxText)
		case 2:
			p.Change, err = x.text(MaxShort)
		case 3:
			p.SHA256, err = x.text(MaxShort)
		case 4:
			p.Was, err = x.text(MaxShort)
		case 5:
			var v uint64
			v, err = x.number(math.MaxUint64)
			p.Size = int64(v)
		case 6:
			err = setU32(&p.PID, x)
		case 7:
			p.By, err = x.text(MaxText)
		}
		return err
	})
}

func appendBounded[T any](list []T, v T) ([]T, error) {
	if len(list) >= MaxList {
		return list, errList
	}
	return append(list, v), nil
}

func (f field) text(limit int) (string, error) {
	if f.typ != protowire.BytesType {
		return "", errType
	}
	if err := checkText(f.bytes, limit); err != nil {
		return "", err
	}
	return string(f.bytes), nil
}

func (f field) number(limit uint64) (uint64, error) {
	if f.typ != protowire.VarintType {
		return 0, errType
	}
	if f.val > limit {
		return 0, errNumber
	}
	return f.val, nil
}

func (f field) double() (float64, error) {
	if f.typ != protowire.Fixed64Type {
		return 0, errType
	}
	v := math.Float64frombits(f.val)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errNumber
	}
	return v, nil
}

func setU8(p *uint8, f field) error {
	v, err := f.number(math.MaxUint8)
	*p = uint8(v)
	return err
}

func setU16(p *uint16, f field) error {
	v, err := f.number(math.MaxUint16)
	*p = uint16(v)
	return err
}

func setU32(p *uint32, f field) error {
	v, err := f.number(math.MaxUint32)
	*p = uint32(v)
	return err
}

func clampU32(v uint64) uint32 { return uint32(min(v, math.MaxUint32)) }
