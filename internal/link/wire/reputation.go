package wire

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

func errReputation(r model.ReputationPolicy) error {
	return fmt.Errorf("reputation: mode %.20q, score %d: want off, observe or enforce, and 50, 75 or 90", r.Mode, r.Score)
}

// appendReputation appends what a policy says of things of bad reputation.
func appendReputation(b []byte, p *model.Policy) []byte {
	append1 := func(b []byte, num protowire.Number, r model.ReputationPolicy) []byte {
		if r == (model.ReputationPolicy{}) {
			return b
		}
		return appendNested(b, num, func(b []byte) []byte {
			return appendVarint(appendText(b, 1, string(r.Mode), MaxShort), 2, uint64(r.Score))
		})
	}
	b = append1(b, 11, p.Reputation)
	for _, d := range slices.Sorted(maps.Keys(p.ReputationDevices)) {
		b = appendNested(b, 12, func(b []byte) []byte {
			return append1(appendText(b, 1, string(d), MaxShort), 2, p.ReputationDevices[d])
		})
	}
	return b
}

func decodeReputation(f field, r *model.ReputationPolicy) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	return eachField(f.bytes, func(f field) error {
		switch f.num {
		case 1:
			s, err := f.text(MaxShort)
			r.Mode = model.Mode(s)
			return err
		case 2:
			v, err := f.number(math.MaxUint8)
			r.Score = uint8(v)
			return err
		}
		return nil
	})
}

func decodeDeviceReputation(f field, p *model.Policy) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	var device string
	var r model.ReputationPolicy
	err := eachField(f.bytes, func(f field) (err error) {
		switch f.num {
		case 1:
			device, err = f.text(MaxShort)
		case 2:
			err = decodeReputation(f, &r)
		}
		return err
	})
	if err == nil && !r.Valid() {
		err = errReputation(r)
	}
	if err != nil {
		return fmt.Errorf("device %.20q: %w", device, err)
	}
	if p.ReputationDevices == nil {
		p.ReputationDevices = make(map[model.DeviceID]model.ReputationPolicy)
	}
	p.ReputationDevices[model.DeviceID(device)] = r
	return nil
}
