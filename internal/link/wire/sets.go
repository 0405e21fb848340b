package wire

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/masugata/masugata/internal/model"
)

// Names of the signed sets.
const (
	SetPolicy     = "policy"
	SetActions    = "actions"
	SetRules      = "rules"
	SetReputation = "reputation"
	// SetReputationTails go with the set "reputation" of gates; they name the
	// set that they belong to.
	SetReputationTails = "reputation-tails"
)

// EncodeActions gives the payload of the set "actions": the actions in force,
// and the ids of gates' own blocks that a person took back. The same arguments
// in the same order give the same bytes.
func EncodeActions(actions []model.Action, undone []model.ID) []byte {
	var b []byte
	for i := range actions {
		b = appendNested(b, 1, func(b []byte) []byte { return appendAction(b, &actions[i]) })
	}
	for i := range undone {
		b = appendBytes(b, 2, undone[i][:])
	}
	return b
}

var errActions = fmt.Errorf("more than %d actions", MaxActions)

func appendAction(b []byte, a *model.Action) []byte {
	b = appendBytes(b, 1, a.ID[:])
	b = appendText(b, 2, string(a.Kind), MaxShort)
	b = appendText(b, 3, string(a.Mode), MaxShort)
	b = appendText(b, 4, string(a.Scope.Device), MaxShort)
	b = appendText(b, 5, string(a.Scope.Gate), MaxShort)
	b = appendNested(b, 6, func(b []byte) []byte { return appendShape(b, &a.Shape) })
	b = appendVarint(b, 7, uint64(a.PPS))
	if a.Process != nil {
		b = appendNested(b, 8, func(b []byte) []byte { return appendProcess(b, a.Process) })
	}
	b = appendVarint(b, 9, uint64(unixNano(a.Expires)))
	b = appendText(b, 10, a.Author, MaxShort)
	b = appendText(b, 11, a.Reason, MaxText)
	if !a.Incident.IsZero() {
		b = appendBytes(b, 12, a.Incident[:])
	}
	return b
}

// DecodeActions reads the payload of the set "actions". Only the fields that
// parts need are in it: id, kind, mode, scope, shape, rate, process, expiry,
// author, reason and incident. undone are blocks that the gate made by itself:
// it takes them back and makes none alike until that flood has ended. One bad
// action refuses the whole set.
func DecodeActions(payload []byte) (actions []model.Action, undone []model.ID, err error) {
	err = eachField(payload, func(f field) error {
		switch f.num {
		case 1:
			return addTo(&actions, MaxActions, f, decodeAction)
		case 2:
			var id model.ID
			if err := setID(&id, f); err != nil {
				return err
			}
			if len(undone) >= MaxActions {
				return errActions
			}
			undone = append(undone, id)
			return nil
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("set actions: action %d: %w", len(actions), err)
	}
	return actions, undone, nil
}

// ReadableActions reads the payload of the set "actions" as far as it can be
// read: the error names the first actions that are refused and says where the
// payload ends to be one; the others are given all the same.
func ReadableActions(payload []byte) (actions []model.Action, err error) {
	const most = 8 // refusals named
	var bad []error
	n := 0
	err = eachField(payload, func(f field) error {
		if f.num != 1 {
			return nil
		}
		n++
		if len(actions) == MaxActions {
			return errActions
		}
		var a model.Action
		err := errType
		if f.typ == protowire.BytesType {
			err = decodeAction(f.bytes, &a)
		}
		switch {
		case err == nil:
			actions = append(actions, a)
		case len(bad) < most:
			bad = append(bad, fmt.Errorf("action %d: %w", n, err))
		}
		return nil
	})
	return actions, errors.Join(append(bad, err)...)
}

// CheckAction says why parts would refuse the action, and with it the whole
// set that it is in; nil when they take it.
func CheckAction(a *model.Action) error {
	return decodeAction(appendAction(nil, a), new(model.Action))
}

func decodeAction(b []byte, a *model.Action) error {
	a.State = model.ActionPending
	err := eachField(b, func(f field) (err error) {
		var s string
		switch f.num {
		case 1:
			err = setID(&a.ID, f)
		case 2:
			s, err = f.text(MaxShort)
			a.Kind = model.ActionKind(s)
		case 3:
			s, err = f.text(MaxShort)
			a.Mode = model.Mode(s)
		case 4:
			s, err = f.text(MaxShort)
			a.Scope.Device = model.DeviceID(s)
		case 5:
			s, err = f.text(MaxShort)
			a.Scope.Gate = model.PartID(s)
		case 6:
			if f.typ != protowire.BytesType {
				return errType
			}
			err = decodeShape(f.bytes, &a.Shape)
		case 7:
			err = setU32(&a.PPS, f)
		case 8:
			if f.typ != protowire.BytesType {
				return errType
			}
			a.Process = new(model.ProcessEvidence)
			err = decodeProcess(f.bytes, a.Process)
		case 9:
			a.Expires, err = f.time()
		case 10:
			a.Author, err = f.text(MaxShort)
		case 11:
			a.Reason, err = f.text(MaxText)
		case 12:
			err = setID(&a.Incident, f)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case a.ID.IsZero():
		return errID
	case a.Mode != model.ModeObserve && a.Mode != model.ModeEnforce:
		return fmt.Errorf("mode %.20q: want observe or enforce", a.Mode)
	}
	return nil
}

// EncodePolicy gives the payload of the set "policy". The version is not in
// it: the signed set carries it. The same policy gives the same bytes.
func EncodePolicy(p *model.Policy) []byte {
	b := appendText(nil, 1, string(p.FloodMode), MaxShort)
	b = appendText(b, 2, string(p.KillMode), MaxShort)
	b = appendVarint(b, 3, min(uint64(max(p.BlockTTL, 0)/time.Second), math.MaxUint32))
	for _, x := range p.Protected {
		b = appendText(b, 4, x.String(), MaxShort)
	}
	b = appendNested(b, 5, func(b []byte) []byte { return appendLimits(b, p.Limits) })
	for _, d := range slices.Sorted(maps.Keys(p.DeviceLimits)) {
		b = appendNested(b, 6, func(b []byte) []byte {
			b = appendText(b, 1, string(d), MaxShort)
			return appendNested(b, 2, func(b []byte) []byte { return appendLimits(b, p.DeviceLimits[d]) })
		})
	}
	b = appendBool(b, 7, p.AntiSpoof)
	for _, w := range p.WatchPaths {
		b = appendText(b, 8, w, MaxText)
	}
	b = appendText(b, 9, string(p.InspectMode), MaxShort)
	b = appendDeviceModes(b, 10, p.InspectDevices)
	b = appendReputation(b, p)
	b = appendText(b, 13, string(p.Contacts), MaxShort)
	return appendDeviceModes(b, 14, p.ContactsDevices)
}

// appendDeviceModes appends the modes of devices that have one of their own.
func appendDeviceModes(b []byte, num protowire.Number, modes map[model.DeviceID]model.Mode) []byte {
	for _, d := range slices.Sorted(maps.Keys(modes)) {
		b = appendNested(b, num, func(b []byte) []byte {
			return appendText(appendText(b, 1, string(d), MaxShort), 2, string(modes[d]), MaxShort)
		})
	}
	return b
}

func appendLimits(b []byte, l model.FloodLimits) []byte {
	for i, v := range [...]uint32{l.UDP, l.SYN, l.ACK, l.ICMP, l.DNS, l.HTTP, l.Spoofed} {
		b = appendVarint(b, protowire.Number(i+1), uint64(v))
	}
	return b
}

// DecodePolicy reads the payload of the set "policy" of the given version.
func DecodePolicy(version uint64, payload []byte) (*model.Policy, error) {
	p := &model.Policy{Version: version}
	n := 0
	err := eachField(payload, func(f field) error {
		if n++; n > MaxPrefixes {
			return fmt.Errorf("more than %d entries", MaxPrefixes)
		}
		return decodePolicyField(f, p)
	})
	if err != nil {
		return nil, fmt.Errorf("set policy: %w", err)
	}
	for _, mode := range []model.Mode{p.FloodMode, p.KillMode} {
		if mode != model.ModeObserve && mode != model.ModePropose && mode != model.ModeEnforce {
			return nil, fmt.Errorf("set policy: mode %.20q: want observe, propose or enforce", mode)
		}
	}
	if p.InspectMode != "" && !inspectMode(p.InspectMode) {
		return nil, fmt.Errorf("set policy: inspection %.20q: want off, observe or enforce", p.InspectMode)
	}
	if p.Contacts != "" && !inspectMode(p.Contacts) {
		return nil, fmt.Errorf("set policy: contacts %.20q: want off or observe", p.Contacts)
	}
	if !p.Reputation.Valid() {
		return nil, fmt.Errorf("set policy: %w", errReputation(p.Reputation))
	}
	return p, nil
}

func inspectMode(m model.Mode) bool {
	return m == model.ModeOff || m == model.ModeObserve || m == model.ModeEnforce
}

func decodePolicyField(f field, p *model.Policy) (err error) {
	var s string
	var v uint64
	switch f.num {
	case 1:
		s, err = f.text(MaxShort)
		p.FloodMode = model.Mode(s)
	case 2:
		s, err = f.text(MaxShort)
		p.KillMode = model.Mode(s)
	case 3:
		v, err = f.number(math.MaxUint32)
		p.BlockTTL = time.Duration(v) * time.Second
	case 4:
		if s, err = f.text(MaxShort); err != nil {
			return err
		}
		x, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("protected: %w", err)
		}
		p.Protected = append(p.Protected, x)
	case 5:
		return decodeLimits(f, &p.Limits)
	case 6:
		return decodeDeviceLimits(f, p)
	case 7:
		v, err = f.number(1)
		p.AntiSpoof = v == 1
	case 8:
		s, err = f.text(MaxText)
		p.WatchPaths = append(p.WatchPaths, s)
	case 9:
		s, err = f.text(MaxShort)
		p.InspectMode = model.Mode(s)
	case 10:
		return decodeDeviceMode(f, "inspection", &p.InspectDevices)
	case 11:
		return decodeReputation(f, &p.Reputation)
	case 12:
		return decodeDeviceReputation(f, p)
	case 13:
		s, err = f.text(MaxShort)
		p.Contacts = model.Mode(s)
	case 14:
		return decodeDeviceMode(f, "contacts", &p.ContactsDevices)
	}
	return err
}

func decodeDeviceLimits(f field, p *model.Policy) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	var device string
	var limits model.FloodLimits
	err := eachField(f.bytes, func(f field) (err error) {
		switch f.num {
		case 1:
			device, err = f.text(MaxShort)
		case 2:
			err = decodeLimits(f, &limits)
		}
		return err
	})
	if p.DeviceLimits == nil {
		p.DeviceLimits = make(map[model.DeviceID]model.FloodLimits)
	}
	p.DeviceLimits[model.DeviceID(device)] = limits
	return err
}

// decodeDeviceMode reads the mode that one device has of its own.
func decodeDeviceMode(f field, of string, modes *map[model.DeviceID]model.Mode) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	var text [3]string
	err := eachField(f.bytes, func(f field) (err error) {
		if f.num == 1 || f.num == 2 {
			text[f.num], err = f.text(MaxShort)
		}
		return err
	})
	if err == nil && !inspectMode(model.Mode(text[2])) {
		err = fmt.Errorf("%s of %.20q: %.20q: want off, observe or enforce", of, text[1], text[2])
	}
	if err != nil {
		return err
	}
	if *modes == nil {
		*modes = make(map[model.DeviceID]model.Mode)
	}
	(*modes)[model.DeviceID(text[1])] = model.Mode(text[2])
	return nil
}

func decodeLimits(f field, l *model.FloodLimits) error {
	if f.typ != protowire.BytesType {
		return errType
	}
	to := [...]*uint32{&l.UDP, &l.SYN, &l.ACK, &l.ICMP, &l.DNS, &l.HTTP, &l.Spoofed}
	return eachField(f.bytes, func(f field) error {
		if f.num < 1 || int(f.num) > len(to) {
			return nil
		}
		return setU32(to[f.num-1], f)
	})
}
