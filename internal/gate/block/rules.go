package block

import (
	"cmp"
	"slices"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// Dirty says whether the rules in force are not those of Rules.
func (d *Desk) Dirty() bool { return d.dirty }

// Rules gives the rules that must be in force.
func (d *Desk) Rules() []datapath.Rule {
	out := make([]datapath.Rule, 0, len(d.blocks))
	for _, b := range d.blocks {
		if b.held() {
			out = append(out, b.rule())
		}
	}
	return out
}

// held says whether a rule stands for the block.
func (b *Block) held() bool { return b.Error == "" && !b.Undone }

func (b *Block) rule() datapath.Rule {
	r := datapath.Rule{ID: b.Rule, Shape: b.Shape, PPS: b.PPS, Deadline: b.Expires}
	if mac, vlan, err := b.Device.MAC(); err == nil {
		r.Device = datapath.DeviceKey{MAC: mac, VLAN: vlan}
	}
	switch {
	case b.Mode != model.ModeEnforce:
		r.Verdict, r.PPS = datapath.VerdictCount, 0
	case b.Kind == model.ActionRateLimit:
		r.Verdict = datapath.VerdictLimit
	default:
		r.Verdict, r.PPS = datapath.VerdictDrop, 0
	}
	return r
}

// Installed tells how writing the rules went. After a failure the rules are
// written again with the next change or Retry.
func (d *Desk) Installed(err error, now time.Time) {
	d.dirty = false
	for _, b := range d.blocks {
		switch {
		case !b.held():
		case err == nil && b.Applied.IsZero():
			b.Applied, b.told = now, false
		case err != nil && b.Applied.IsZero() && b.Failed.IsZero():
			b.Failed, b.told = now, false
		}
	}
	d.saved = false
}

// Refuse takes it that the data path does not take a rule, so that the others
// come into force. A block of the gate's own is made simpler first: its device
// and target are enough to stop a flood when there is no room for more. It is
// false when there is no such rule.
func (d *Desk) Refuse(id datapath.RuleID, err error, now time.Time) bool {
	for _, b := range d.blocks {
		if b.Rule != id || !b.held() {
			continue
		}
		plain := model.Shape{Dst: b.Shape.Dst, Spoofed: b.Shape.Spoofed}
		if b.Local && b.Shape != plain && (plain.Dst.IsValid() || plain.Spoofed) {
			b.Shape = plain
		} else {
			b.Error, b.refused, b.told = err.Error(), true, false
			b.Failed, b.Applied = now, time.Time{}
		}
		d.changed()
		return true
	}
	return false
}

// Retry makes the rules be written again.
func (d *Desk) Retry() { d.dirty = true }

// Fates gives each block whose fate is new, once. Blocks of the gate's own
// that only count are not among them. cause is the error of a failed write.
func (d *Desk) Fates(cause error) []Fate {
	var out []Fate
	for _, b := range d.blocks {
		if b.told || b.Undone || b.Applied.IsZero() && b.Failed.IsZero() {
			continue
		}
		b.told = true
		if b.Local && b.Mode != model.ModeEnforce {
			continue
		}
		f := Fate{Block: *b, Applied: !b.Applied.IsZero()}
		if !f.Applied && f.Block.Error == "" && cause != nil {
			f.Block.Error = cause.Error()
		}
		out = append(out, f)
	}
	return out
}

// Statuses says of each block how it stands, for the control plane.
func (d *Desk) Statuses() []wire.ActionStatus {
	out := make([]wire.ActionStatus, 0, len(d.blocks))
	for _, b := range d.blocks {
		s := wire.ActionStatus{ID: b.ID, PartStatus: model.PartStatus{
			Part: d.cfg.Part, Applied: !b.Applied.IsZero() && b.held(), Error: b.Error, At: b.Applied,
			Packets: b.Packets, Bytes: b.Bytes, LastHit: b.LastHit,
		}}
		if !s.Applied {
			s.At = b.Failed
			s.Error = cmp.Or(s.Error, "not applied")
		}
		if !b.Undone {
			out = append(out, s)
		}
	}
	return out
}

// Blocks gives a copy of all that is held, oldest first.
func (d *Desk) Blocks() []Block {
	out := make([]Block, len(d.blocks))
	for i, b := range d.blocks {
		out[i] = *b
	}
	return out
}

// Unsaved says whether the blocks changed since the last Saved.
func (d *Desk) Unsaved() bool { return !d.saved }

// Saved tells that the present blocks are on their way to disk.
func (d *Desk) Saved() { d.saved = true }

// Restore takes over the blocks that a former process recorded and the rules
// that it left in the data path. Rules without a record become blocks of this
// gate; all of its own end when nothing hits them for RetireAfter.
func (d *Desk) Restore(blocks []Block, rules []datapath.Rule, now time.Time) {
	for i := range blocks {
		b := blocks[i]
		if b.Rule == 0 || b.ID.IsZero() || !b.Expires.IsZero() && now.After(b.Expires) {
			continue
		}
		if b.Local {
			b.Error = "" // tried again
		}
		b.told, b.adoptedAt = !b.Applied.IsZero() || !b.Failed.IsZero(), now
		d.blocks = append(d.blocks, &b)
		d.next = max(d.next, b.Rule+1)
	}
	for _, r := range rules {
		known := slices.ContainsFunc(d.blocks, func(b *Block) bool { return b.Rule == r.ID })
		if known || r.ID == 0 || !r.Deadline.IsZero() && now.After(r.Deadline) {
			continue
		}
		d.blocks = append(d.blocks, d.adopt(r, now))
		d.next = max(d.next, r.ID+1)
	}
	d.changed()
}

func (d *Desk) adopt(r datapath.Rule, now time.Time) *Block {
	b := &Block{
		ID: model.NewID(now), Rule: r.ID, Local: true, Kind: model.ActionDrop, Mode: model.ModeEnforce,
		Shape: r.Shape, PPS: r.PPS, Author: "gate:" + string(d.cfg.Part), Created: now, Applied: now, Expires: r.Deadline,
		Reason: "left in the data path by a former process of this gate, whose record is lost", told: true, adoptedAt: now,
	}
	if r.Device != (datapath.DeviceKey{}) {
		b.Device = model.NewDeviceID(r.Device.MAC, r.Device.VLAN)
		b.Source = b.Device
	}
	switch r.Verdict {
	case datapath.VerdictLimit:
		b.Kind = model.ActionRateLimit
	case datapath.VerdictCount:
		b.Mode = model.ModeObserve
	}
	return b
}

// Targets gives the destinations that local blocks are about.
func (d *Desk) Targets() []model.Shape {
	var out []model.Shape
	for _, b := range d.blocks {
		if b.Shape.Dst.IsValid() {
			out = append(out, b.Shape)
		}
	}
	return out
}
