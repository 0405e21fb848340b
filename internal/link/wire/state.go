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

// Bounds on one PartState.
const (
	MaxStateList  = 20_000 // devices, actions
	MaxStateShort = 256    // coverage, sets, counters
)

// PartState is what a part says of itself (message PartState).
type PartState struct {
	Software string
	Started  time.Time
	Coverage []model.Coverage
	Actions  []ActionStatus
	Devices  []model.Device    // gates: ID, Addrs, Hostname, FirstSeen, LastSeen and the counters are sent
	Sets     map[string]uint64 // versions in force; the link client fills it in
	Spooled  uint64            // filled in by the link client
	Dropped  uint64            // filled in by the link client
	Counters map[string]uint64
}

// ActionStatus is what a part says of one action; the receiver sets Part.
type ActionStatus struct {
	ID model.ID
	model.PartStatus
}

// SetVersions gives the versions of the sets by their names.
func (s *PartState) SetVersions() model.SetVersions {
	return model.SetVersions{
		Policy: s.Sets[SetPolicy], Actions: s.Sets[SetActions],
		Rules: s.Sets[SetRules], Reputation: s.Sets[SetReputation],
	}
}

// AppendPartState appends the message form, cut to the limits.
func AppendPartState(b []byte, s *PartState) []byte {
	b = appendText(b, 1, s.Software, MaxShort)
	b = appendVarint(b, 2, uint64(unixNano(s.Started)))
	for i := range s.Coverage[:min(len(s.Coverage), MaxStateShort)] {
		b = appendNested(b, 3, func(b []byte) []byte { return appendCoverage(b, &s.Coverage[i]) })
	}
	for i := range s.Actions[:min(len(s.Actions), MaxStateList)] {
		b = appendNested(b, 4, func(b []byte) []byte { return appendActionStatus(b, &s.Actions[i]) })
	}
	for i := range s.Devices[:min(len(s.Devices), MaxStateList)] {
		b = appendNested(b, 5, func(b []byte) []byte { return appendDevice(b, &s.Devices[i]) })
	}
	b = appendMap(b, 6, s.Sets)
	b = appendVarint(b, 7, s.Spooled)
	b = appendVarint(b, 8, s.Dropped)
	return appendMap(b, 9, s.Counters)
}

func appendCoverage(b []byte, c *model.Coverage) []byte {
	b = appendVarint(b, 1, uint64(c.Layer))
	b = appendText(b, 2, c.Protection, MaxShort)
	b = appendBool(b, 3, c.Active)
	return appendText(b, 4, c.Reason, MaxText)
}

func appendActionStatus(b []byte, s *ActionStatus) []byte {
	b = appendBytes(b, 1, s.ID[:])
	b = appendBool(b, 2, s.Applied)
	b = appendText(b, 3, s.Error, MaxText)
	b = appendVarint(b, 4, uint64(unixNano(s.At)))
	b = appendVarint(b, 5, s.Packets)
	b = appendVarint(b, 6, s.Bytes)
	return appendVarint(b, 7, uint64(unixNano(s.LastHit)))
}

func appendDevice(b []byte, d *model.Device) []byte {
	b = appendText(b, 1, string(d.ID), MaxShort)
	for _, a := range d.Addrs[:min(len(d.Addrs), MaxList)] {
		b = appendBytes(b, 2, a.AsSlice())
	}
	b = appendText(b, 3, d.Hostname, MaxShort)
	b = appendVarint(b, 4, uint64(unixNano(d.FirstSeen)))
	b = appendVarint(b, 5, uint64(unixNano(d.LastSeen)))
	b = appendVarint(b, 6, d.TxPackets)
	b = appendVarint(b, 7, d.TxBytes)
	b = appendVarint(b, 8, d.RxPackets)
	return appendVarint(b, 9, d.RxBytes)
}

func appendMap(b []byte, num protowire.Number, m map[string]uint64) []byte {
	n := 0
	for k, v := range m {
		if n++; n > MaxStateShort {
			break
		}
		b = appendNested(b, num, func(b []byte) []byte {
			return appendVarint(appendText(b, 1, k, MaxShort), 2, v)
		})
	}
	return b
}

// DecodePartState reads a part's state. part is put into action statuses and,
// for gates, devices. What it returns shares no memory with b.
func DecodePartState(b []byte, part model.PartID) (*PartState, error) {
	s := new(PartState)
	err := eachField(b, func(f field) (err error) {
		switch f.num {
		case 1:
			s.Software, err = f.text(MaxShort)
		case 2:
			s.Started, err = f.time()
		case 3:
			err = addTo(&s.Coverage, MaxStateShort, f, decodeCoverage)
		case 4:
			err = addTo(&s.Actions, MaxStateList, f, decodeActionStatus)
		case 5:
			err = addTo(&s.Devices, MaxStateList, f, decodeDevice)
		case 6:
			err = addPair(&s.Sets, f)
		case 7:
			s.Spooled, err = f.number(math.MaxUint64)
		case 8:
			s.Dropped, err = f.number(math.MaxUint64)
		case 9:
			err = addPair(&s.Counters, f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("part state: %w", err)
	}
	for i := range s.Actions {
		s.Actions[i].Part = part
	}
	for i := range s.Devices {
		s.Devices[i].Gate = part
	}
	return s, nil
}

func addTo[T any](list *[]T, limit int, f field, decode func([]byte, *T) error) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	if len(*list) >= limit {
		return fmt.Errorf("more than %d elements in field %d", limit, f.num)
	}
	var zero T
	*list = append(*list, zero)
	return decode(f.bytes, &(*list)[len(*list)-1])
}

func addPair(m *map[string]uint64, f field) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	if len(*m) >= MaxStateShort {
		return fmt.Errorf("more than %d entries in field %d", MaxStateShort, f.num)
	}
	var key string
	var val uint64
	err := eachField(f.bytes, func(f field) (err error) {
		switch f.num {
		case 1:
			key, err = f.text(MaxShort)
		case 2:
			val, err = f.number(math.MaxUint64)
		}
		return err
	})
	if *m == nil {
		*m = make(map[string]uint64)
	}
	(*m)[key] = val
	return err
}

func decodeCoverage(b []byte, c *model.Coverage) error {
	return eachField(b, func(f field) (err error) {
		var v uint64
		switch f.num {
		case 1:
			if v, err = f.number(4); err != nil {
				return errLayer
			}
			c.Layer = model.Layer(v)
		case 2:
			c.Protection, err = f.text(MaxShort)
		case 3:
			v, err = f.number(1)
			c.Active = v == 1
		case 4:
			c.Reason, err = f.text(MaxText)
		}
		return err
	})
}

func decodeActionStatus(b []byte, s *ActionStatus) error {
	err := eachField(b, func(f field) (err error) {
		switch f.num {
		case 1:
			err = setID(&s.ID, f)
		case 2:
			var v uint64
			v, err = f.number(1)
			s.Applied = v == 1
		case 3:
			s.Error, err = f.text(MaxText)
		case 4:
			s.At, err = f.time()
		case 5:
			s.Packets, err = f.number(math.MaxUint64)
		case 6:
			s.Bytes, err = f.number(math.MaxUint64)
		case 7:
			s.LastHit, err = f.time()
		}
		return err
	})
	if err == nil && s.ID.IsZero() {
		err = errID
	}
	return err
}

func decodeDevice(b []byte, d *model.Device) error {
	err := eachField(b, func(f field) (err error) {
		switch f.num {
		case 1:
			var id string
			id, err = f.text(MaxShort)
			d.ID = model.DeviceID(id)
		case 2:
			a, ok := netip.AddrFromSlice(f.bytes)
			if !ok {
				return errAddr
			}
			d.Addrs, err = appendBounded(d.Addrs, a)
		case 3:
			d.Hostname, err = f.text(MaxShort)
		case 4:
			d.FirstSeen, err = f.time()
		case 5:
			d.LastSeen, err = f.time()
		case 6:
			d.TxPackets, err = f.number(math.MaxUint64)
		case 7:
			d.TxBytes, err = f.number(math.MaxUint64)
		case 8:
			d.RxPackets, err = f.number(math.MaxUint64)
		case 9:
			d.RxBytes, err = f.number(math.MaxUint64)
		}
		return err
	})
	if err != nil {
		return err
	}
	mac, vlan, err := d.ID.MAC()
	d.VLAN = vlan
	d.MAC = fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5])
	return err
}

func (f field) time() (time.Time, error) {
	v, err := f.number(math.MaxUint64)
	return fromUnixNano(int64(v)), err
}

var errID = errors.New("id is not 16 bytes")

func setID(id *model.ID, f field) error {
	if f.typ != protowire.BytesType || len(f.bytes) != len(id) {
		return errID
	}
	copy(id[:], f.bytes)
	return nil
}
