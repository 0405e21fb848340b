// Package block keeps what the gate stops: the blocks it makes by itself when
// a device floods, and the actions that the control plane sends. It knows
// which rule stands for which of them, what each stopped, and when each ends,
// and gives the rules that must be in force. It does no I/O and reads no
// clock; internal/gate calls it.
package block

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/detect/flood"
	"github.com/masugata/masugata/internal/model"
)

// Block is one thing the gate holds, with the rule that stands for it. It is
// plain data; its JSON form is the gate's record of rules in force.
type Block struct {
	ID       model.ID             `json:"id"`
	Rule     datapath.RuleID      `json:"rule"`
	Local    bool                 `json:"local"` // made by this gate
	Kind     model.ActionKind     `json:"kind"`
	Mode     model.Mode           `json:"mode"`
	Device   model.DeviceID       `json:"device,omitempty"` // empty: all
	Shape    model.Shape          `json:"shape"`
	PPS      uint32               `json:"pps,omitempty"`
	Author   string               `json:"author"`
	Reason   string               `json:"reason"`
	Evidence *model.FloodEvidence `json:"evidence,omitempty"` // local: what made it
	Source   model.DeviceID       `json:"source,omitempty"`   // local: the device that floods
	Created  time.Time            `json:"created"`
	Expires  time.Time            `json:"expires,omitzero"`
	Applied  time.Time            `json:"applied,omitzero"` // zero while it is not in force
	Error    string               `json:"error,omitempty"`  // why it is not
	Failed   time.Time            `json:"failed,omitzero"`
	Packets  uint64               `json:"packets"`
	Bytes    uint64               `json:"bytes"`
	LastHit  time.Time            `json:"last_hit,omitzero"`
	Undone   bool                 `json:"undone,omitempty"` // a person took it back: it holds nothing, and keeps its like away

	flood        uint32 // of the detector, 0 after a restart until the flood is seen again
	told         bool   // its fate was handed out by Fates
	seen         uint64 // packets that the rule's present count has met …
	stopped      uint64 // … and how many of them are in Packets and Bytes
	stoppedBytes uint64
	adoptedAt    time.Time
	over         bool // its flood ended
	refused      bool // the data path did not take its rule; tried again when another goes
}

// Fate is a change that must be reported: a block came into force, or could
// not.
type Fate struct {
	Block   Block
	Applied bool
}

// Config says how a Desk makes blocks of its own.
type Config struct {
	Part        model.PartID
	RetireAfter time.Duration
	Policy      model.Policy
}

// Desk holds all blocks. It is not safe for concurrent use.
type Desk struct {
	cfg    Config
	blocks []*Block
	undone map[model.ID]bool
	next   datapath.RuleID
	dirty  bool // rules must be written
	saved  bool // the record on disk is as it should be
}

// New makes a Desk that holds nothing.
func New(cfg Config) *Desk {
	return &Desk{cfg: cfg, undone: make(map[model.ID]bool), next: 1, dirty: true}
}

// Configure changes the policy and times for blocks made from now on. Blocks
// that the new policy would not allow are taken away.
func (d *Desk) Configure(cfg Config, now time.Time) {
	d.cfg = cfg
	for _, b := range d.blocks {
		if b.Local {
			if m := policy.ModeOf(&d.cfg.Policy, b.action()); m != b.Mode {
				b.Mode, b.Applied, b.told = m, time.Time{}, false
			}
		} else {
			d.check(b, now)
		}
	}
	d.changed()
}

func (d *Desk) changed() { d.dirty, d.saved = true, false }

func (b *Block) action() *model.Action {
	return &model.Action{ID: b.ID, Kind: b.Kind, Mode: b.Mode, Shape: b.Shape, PPS: b.PPS, Scope: model.Scope{Device: b.Device}}
}

// Flood takes a verdict of the detector. It gives the block that stands
// against the flood, nil when there is none.
func (d *Desk) Flood(v *flood.Verdict, now time.Time) *Block {
	b := d.blockOf(v)
	switch v.Phase {
	case flood.Ended:
		if b != nil {
			b.flood, b.over = 0, true
			d.remove(func(x *Block) bool { return x == b && !b.Undone })
		}
		return nil
	case flood.Widened:
		if b != nil && !b.Undone {
			d.shape(b, v, now)
		}
	}
	if b != nil {
		b.flood, b.over = v.ID, false
		d.renew(b, now)
		d.spread(b, v)
		return b
	}
	if len(d.blocks) >= maxBlocks {
		return nil
	}
	b = d.open(v, now)
	d.spread(b, v)
	return b
}

// maxBlocks bounds what is held at once; the data path takes 4,096 rules.
const maxBlocks = 4000

// blockOf finds the block against a flood: by the flood, or after a restart
// or an undo by its device and traffic.
func (d *Desk) blockOf(v *flood.Verdict) *Block {
	dev := DeviceID(v.Device)
	for _, b := range d.blocks {
		if b.Local && b.flood == v.ID {
			return b
		}
	}
	for _, b := range d.blocks {
		if b.Local && b.flood == 0 && b.Source == dev && (b.Shape.SameTraffic(v.Shape) || b.Shape.Covers(v.Shape)) {
			return b
		}
	}
	return nil
}

func (d *Desk) open(v *flood.Verdict, now time.Time) *Block {
	dev := DeviceID(v.Device)
	b := &Block{
		ID: model.NewID(now), Rule: d.rule(), Local: true, Kind: model.ActionDrop, Device: dev, Source: dev,
		Author: "gate:" + string(d.cfg.Part), Created: now, Expires: now.Add(d.ttl()), flood: v.ID,
	}
	d.shape(b, v, now)
	d.blocks = append(d.blocks, b)
	return b
}

// shape writes what a verdict says into a block.
func (d *Desk) shape(b *Block, v *flood.Verdict, now time.Time) {
	b.Shape, b.PPS, b.Kind = v.Shape, v.LimitPPS, model.ActionDrop
	if b.PPS > 0 {
		b.Kind = model.ActionRateLimit
	}
	b.Evidence = Evidence(v)
	b.Mode = policy.ModeOf(&d.cfg.Policy, b.action())
	b.Reason = fmt.Sprintf("%s sends a %s flood: %s, %.0f packets a second.", b.Source, v.Vector, v.Shape, v.PPS)
	d.changed()
}

// spread lets a block hold for every device when a second device floods the
// same way and nobody uses the target in an ordinary way.
func (d *Desk) spread(b *Block, v *flood.Verdict) {
	if v.Devices < 2 || v.Others > 0 || b.PPS > 0 || b.Device == "" || !v.Shape.Dst.IsValid() {
		return
	}
	b.Device = ""
	d.changed()
}

func (d *Desk) ttl() time.Duration { return cmp.Or(d.cfg.Policy.BlockTTL, time.Hour) }

// renew moves a block's end away while its flood goes on.
func (d *Desk) renew(b *Block, now time.Time) {
	if b.Expires.Sub(now) < d.ttl()/2 {
		b.Expires = now.Add(d.ttl())
		d.changed()
	}
}

func (d *Desk) rule() datapath.RuleID {
	for {
		id := d.next
		d.next++
		if d.next == 0 {
			d.next = 1
		}
		if id != 0 && !slices.ContainsFunc(d.blocks, func(b *Block) bool { return b.Rule == id }) {
			return id
		}
	}
}

// SetActions takes the control plane's actions, and the gate's own blocks that
// a person took back, in place of the former ones.
func (d *Desk) SetActions(actions []model.Action, undone []model.ID, now time.Time) {
	d.undo(undone)
	want := make(map[model.ID]*model.Action, len(actions))
	for i := range actions {
		a := &actions[i]
		if a.Kind != model.ActionKillProcess && (a.Scope.Gate == "" || a.Scope.Gate == d.cfg.Part) {
			want[a.ID] = a
		}
	}
	d.remove(func(b *Block) bool { return !b.Local && want[b.ID] == nil })
	for _, b := range d.blocks {
		if a := want[b.ID]; a != nil && !b.Local {
			d.take(b, a, now)
			delete(want, a.ID)
		}
	}
	for i := range actions { // in the given order
		a := want[actions[i].ID]
		if a == nil || len(d.blocks) >= maxBlocks {
			continue
		}
		b := &Block{ID: a.ID, Rule: d.rule(), Created: now}
		d.blocks = append(d.blocks, b)
		d.take(b, a, now)
	}
	d.changed()
}

func (d *Desk) undo(ids []model.ID) {
	clear(d.undone)
	for _, id := range ids {
		d.undone[id] = true
	}
	for _, b := range d.blocks {
		if !b.Local {
			continue
		}
		// Without a flood there is nothing for it to come back against: the
		// flood ended, or was not seen since a restart.
		b.over = b.over || b.Undone && b.flood == 0
		b.Undone = d.undone[b.ID]
	}
	d.remove(func(b *Block) bool { return b.Local && !b.Undone && b.over })
}

func (d *Desk) take(b *Block, a *model.Action, now time.Time) {
	if b.refused && (b.Shape != a.Shape || b.Device != a.Scope.Device || b.PPS != a.PPS) {
		b.refused = false
	}
	b.Kind, b.Mode, b.Device, b.Shape, b.PPS = a.Kind, a.Mode, a.Scope.Device, a.Shape, a.PPS
	b.Author, b.Reason, b.Expires = a.Author, a.Reason, a.Expires
	d.check(b, now)
}

// check refuses what must not be put into force.
func (d *Desk) check(b *Block, now time.Time) {
	err := ""
	switch {
	case b.Kind != model.ActionDrop && b.Kind != model.ActionRateLimit:
		err = fmt.Sprintf("this gate does not know actions of kind %q", b.Kind)
	case b.Kind == model.ActionRateLimit && b.PPS == 0:
		err = "a rate limit needs at least 1 packet a second"
	case b.Shape == (model.Shape{}) && b.Device == "":
		err = "without a shape and a device it would stop all traffic"
	case b.Mode == model.ModeEnforce && touches(d.cfg.Policy.Protected, b.Shape.Dst):
		err = "reaches a destination that the policy protects"
	default:
		if _, _, e := b.Device.MAC(); b.Device != "" && e != nil {
			err = e.Error()
		}
	}
	if err != b.Error && (err != "" || !b.refused) {
		b.refused = false
		b.Error, b.told = err, false
		if err != "" {
			b.Failed, b.Applied = now, time.Time{}
		}
	}
}

func touches(protected []netip.Prefix, dst netip.Prefix) bool {
	return slices.ContainsFunc(protected, func(p netip.Prefix) bool { return !dst.IsValid() || p.Overlaps(dst) })
}

// Hit takes the count of one rule. fresh is what it met since the last call,
// for the flood it stands against. A limit counts as stopped what it dropped,
// other rules what they met: a rule that only counts, what it would have
// stopped.
func (d *Desk) Hit(h *datapath.RuleHits) (flood uint32, fresh uint64) {
	for _, b := range d.blocks {
		if b.Rule != h.ID {
			continue
		}
		if h.Packets < b.seen { // the rule was rewritten
			b.seen, b.stopped, b.stoppedBytes = 0, 0, 0
		}
		fresh = h.Packets - b.seen
		stopped, bytes := h.Packets, h.Bytes
		if b.rule().Verdict == datapath.VerdictLimit {
			stopped, bytes = h.Stopped, h.StoppedBytes
		}
		b.Packets += stopped - min(stopped, b.stopped)
		b.Bytes += bytes - min(bytes, b.stoppedBytes)
		b.seen, b.stopped, b.stoppedBytes = h.Packets, stopped, bytes
		if h.Last.After(b.LastHit) {
			b.LastHit = h.Last
		}
		return b.flood, fresh
	}
	return 0, 0
}

// Tick lets time pass: blocks past their life end, and blocks that a former
// process left end when nothing hits them any more.
func (d *Desk) Tick(now time.Time) {
	d.remove(func(b *Block) bool {
		if !b.Expires.IsZero() && now.After(b.Expires) {
			return !b.Undone
		}
		if !b.Local || b.flood != 0 || b.Undone {
			return false
		}
		last := b.adoptedAt
		if b.LastHit.After(last) {
			last = b.LastHit
		}
		return now.Sub(last) >= d.cfg.RetireAfter
	})
}

func (d *Desk) remove(gone func(*Block) bool) {
	n := len(d.blocks)
	d.blocks = slices.DeleteFunc(d.blocks, gone)
	if len(d.blocks) == n {
		return
	}
	d.changed()
	for _, b := range d.blocks { // there may be room now
		if b.refused {
			b.refused, b.Error, b.Failed, b.told = false, "", time.Time{}, false
		}
	}
}

// DeviceID gives the detector's device its name.
func DeviceID(d flood.Device) model.DeviceID { return model.NewDeviceID(d.MAC, d.VLAN) }

// Evidence puts a verdict into the form of an event.
func Evidence(v *flood.Verdict) *model.FloodEvidence {
	return &model.FloodEvidence{
		Vector: v.Vector, Shape: v.Shape, PPS: v.PPS, BPS: v.BPS, BaselinePPS: v.BaselinePPS,
		Packets: v.Packets, Sources: v.Sources, OtherDevices: uint32(v.Others),
	}
}
