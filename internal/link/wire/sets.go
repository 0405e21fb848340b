package wire

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	linkv1 "github.com/masugata/masugata/api/link/v1"
	"github.com/masugata/masugata/internal/model"
)

// Names of the signed sets.
const (
	SetPolicy     = "policy"
	SetActions    = "actions"
	SetRules      = "rules"
	SetReputation = "reputation"
)

// EncodeActions gives the payload of the set "actions": the actions in force
// and the ids of gates' own blocks that a person took back. The same arguments
// in the same order give the same bytes.
func EncodeActions(actions []model.Action, undone []model.ID) ([]byte, error) {
	set := &linkv1.ActionSet{Actions: make([]*linkv1.Action, len(actions))}
	for i := range actions {
		set.Actions[i] = actionTo(&actions[i])
	}
	for i := range undone {
		set.Undone = append(set.Undone, undone[i][:])
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("encode action set: %w", err)
	}
	return b, nil
}

func actionTo(a *model.Action) *linkv1.Action {
	p := &linkv1.Action{
		Id: slices.Clone(a.ID[:]), Kind: string(a.Kind), Mode: string(a.Mode),
		ScopeDevice: string(a.Scope.Device), ScopeGate: string(a.Scope.Gate),
		Shape: ShapeTo(a.Shape), Pps: a.PPS, ExpiresUnixNs: unixNano(a.Expires),
		Author: clip(a.Author, MaxShort), Reason: clip(a.Reason, MaxText),
	}
	if a.Process != nil {
		p.Process = processTo(a.Process)
	}
	if !a.Incident.IsZero() {
		p.Incident = slices.Clone(a.Incident[:])
	}
	return p
}

func processTo(p *model.ProcessEvidence) *linkv1.ProcessEvidence {
	m := new(linkv1.ProcessEvidence)
	// Cannot fail: appendProcess writes valid messages only.
	_ = proto.Unmarshal(appendProcess(nil, p), m)
	return m
}

// DecodeActions reads the payload of the set "actions". Only the fields that
// parts need are in it: id, kind, mode, scope, shape, rate, process, expiry,
// author, reason and incident. undone are blocks that the gate made by itself
// and must take back. One bad action refuses the whole set.
func DecodeActions(payload []byte) (actions []model.Action, undone []model.ID, err error) {
	set := new(linkv1.ActionSet)
	if err := proto.Unmarshal(payload, set); err != nil {
		return nil, nil, fmt.Errorf("set actions: %w", err)
	}
	if len(set.Actions) > MaxActions || len(set.Undone) > MaxActions {
		return nil, nil, fmt.Errorf("set actions: %d actions and %d undone, at most %d each are taken", len(set.Actions), len(set.Undone), MaxActions)
	}
	actions = make([]model.Action, len(set.Actions))
	for i, p := range set.Actions {
		if err := actionFrom(p, &actions[i]); err != nil {
			return nil, nil, fmt.Errorf("set actions: action %d: %w", i+1, err)
		}
	}
	for _, b := range set.Undone {
		if len(b) != 16 {
			return nil, nil, fmt.Errorf("set actions: undone: %w", errEventID)
		}
		undone = append(undone, model.ID(b))
	}
	return actions, undone, nil
}

func actionFrom(p *linkv1.Action, a *model.Action) error {
	*a = model.Action{
		Kind: model.ActionKind(p.Kind), Mode: model.Mode(p.Mode),
		Scope: model.Scope{Device: model.DeviceID(p.ScopeDevice), Gate: model.PartID(p.ScopeGate)},
		PPS:   p.Pps, Expires: fromUnixNano(p.ExpiresUnixNs), Author: p.Author, Reason: p.Reason,
		State: model.ActionPending,
	}
	if len(p.Id) != 16 || len(p.Incident) != 0 && len(p.Incident) != 16 {
		return errEventID
	}
	copy(a.ID[:], p.Id)
	copy(a.Incident[:], p.Incident)
	if a.Mode != model.ModeObserve && a.Mode != model.ModeEnforce {
		return fmt.Errorf("mode %.20q: want observe or enforce", p.Mode)
	}
	var err error
	if a.Shape, err = ShapeFrom(p.Shape); err != nil {
		return err
	}
	if p.Process == nil {
		return nil
	}
	b, err := proto.Marshal(p.Process)
	if err != nil {
		return err
	}
	a.Process = new(model.ProcessEvidence)
	return decodeProcess(b, a.Process)
}

// ShapeTo gives the message form of a shape.
func ShapeTo(s model.Shape) *linkv1.Shape {
	p := &linkv1.Shape{
		Proto: uint32(s.Proto), DstPort: uint32(s.DstPort), SrcPort: uint32(s.SrcPort),
		LenMin: uint32(s.LenMin), LenMax: uint32(s.LenMax),
		TcpFlags: uint32(s.TCPFlags), TcpMask: uint32(s.TCPMask), Spoofed: s.Spoofed,
	}
	if s.Dst.IsValid() {
		p.Dst, p.DstBits = s.Dst.Addr().AsSlice(), uint32(s.Dst.Bits())
	}
	return p
}

// ShapeFrom reads a shape, refusing numbers that do not fit; nil is the shape
// that matches everything.
func ShapeFrom(p *linkv1.Shape) (s model.Shape, err error) {
	if p == nil {
		return s, nil
	}
	b, err := proto.Marshal(p)
	if err != nil {
		return s, err
	}
	if err := decodeShape(b, &s); err != nil {
		return model.Shape{}, fmt.Errorf("shape: %w", err)
	}
	return s, nil
}

// EncodePolicy gives the payload of the set "policy". The version is not in
// it: the signed set carries it.
func EncodePolicy(p *model.Policy) ([]byte, error) {
	m := &linkv1.Policy{
		FloodMode: string(p.FloodMode), KillMode: string(p.KillMode),
		BlockTtlS: uint32(p.BlockTTL / time.Second), Limits: limitsTo(p.Limits),
		AntiSpoof: p.AntiSpoof, WatchPaths: p.WatchPaths,
	}
	for _, x := range p.Protected {
		m.Protected = append(m.Protected, x.String())
	}
	for d, l := range p.DeviceLimits {
		m.DeviceLimits = append(m.DeviceLimits, &linkv1.DeviceLimits{Device: string(d), Limits: limitsTo(l)})
	}
	slices.SortFunc(m.DeviceLimits, func(a, b *linkv1.DeviceLimits) int {
		if a.Device < b.Device {
			return -1
		}
		return 1
	})
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode policy set: %w", err)
	}
	return b, nil
}

// DecodePolicy reads the payload of the set "policy" of the given version.
func DecodePolicy(version uint64, payload []byte) (*model.Policy, error) {
	m := new(linkv1.Policy)
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, fmt.Errorf("set policy: %w", err)
	}
	if len(m.Protected)+len(m.DeviceLimits)+len(m.WatchPaths) > MaxPrefixes {
		return nil, fmt.Errorf("set policy: more than %d entries", MaxPrefixes)
	}
	p := &model.Policy{
		Version: version, FloodMode: model.Mode(m.FloodMode), KillMode: model.Mode(m.KillMode),
		BlockTTL: time.Duration(m.BlockTtlS) * time.Second, Limits: limitsFrom(m.Limits),
		AntiSpoof: m.AntiSpoof, WatchPaths: m.WatchPaths,
	}
	for _, mode := range []model.Mode{p.FloodMode, p.KillMode} {
		if mode != model.ModeObserve && mode != model.ModePropose && mode != model.ModeEnforce {
			return nil, fmt.Errorf("set policy: mode %.20q: want observe, propose or enforce", mode)
		}
	}
	for _, s := range m.Protected {
		x, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("set policy: protected: %w", err)
		}
		p.Protected = append(p.Protected, x)
	}
	for _, d := range m.DeviceLimits {
		if p.DeviceLimits == nil {
			p.DeviceLimits = make(map[model.DeviceID]model.FloodLimits, len(m.DeviceLimits))
		}
		p.DeviceLimits[model.DeviceID(d.GetDevice())] = limitsFrom(d.GetLimits())
	}
	return p, nil
}

func limitsTo(l model.FloodLimits) *linkv1.FloodLimits {
	return &linkv1.FloodLimits{
		UdpPps: l.UDP, SynPps: l.SYN, AckPps: l.ACK, IcmpPps: l.ICMP,
		DnsQps: l.DNS, HttpRps: l.HTTP, SpoofedPps: l.Spoofed,
	}
}

func limitsFrom(l *linkv1.FloodLimits) model.FloodLimits {
	return model.FloodLimits{
		UDP: l.GetUdpPps(), SYN: l.GetSynPps(), ACK: l.GetAckPps(), ICMP: l.GetIcmpPps(),
		DNS: l.GetDnsQps(), HTTP: l.GetHttpRps(), Spoofed: l.GetSpoofedPps(),
	}
}
