package rule

import (
	"cmp"
	"slices"

	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/memory"
)

// maxHits bounds the rules that may match on one packet before the most
// important are kept.
const maxHits = 4096

// hit takes a rule that has matched.
func (in *Inspector) hit(id uint32, r *rule, tx protocol.Tx, stream bool) {
	for _, e := range r.effects {
		e.apply(in, in.c, tx)
	}
	if len(in.hits) >= maxHits {
		return
	}
	h := hit{rule: id, tx: tx, stream: stream}
	if tx != nil {
		h.txID = tx.Inspection().Number
	}
	in.hits = append(in.hits, h)
}

// conclude orders the hits, applies limits and actions, and keeps as many
// alerts as are allowed.
func (in *Inspector) conclude(c *Context) {
	v := &in.verdict
	if len(in.hits) > 1 {
		slices.SortStableFunc(in.hits, func(a, b hit) int {
			if a.rule != b.rule {
				return cmp.Compare(a.rule, b.rule)
			}
			return cmp.Compare(a.txID, b.txID)
		})
	}
	for i := range in.hits {
		if !in.report(&in.hits[i], c) {
			break
		}
	}
	if len(in.hits) == 0 && in.tags.Active() && in.facts.real {
		v.Tagged = in.tags.Packet(&in.who, len(c.Packet.Data), c.Now)
	}
}

// report applies one hit; false ends the processing of the packet (pass).
func (in *Inspector) report(h *hit, c *Context) bool {
	r, v := &in.set.rules[h.rule], &in.verdict
	action, quiet := r.action, r.quiet
	switch in.limited(h, r, c) {
	case memory.Ignore:
		return true
	case memory.Silent:
		quiet = true
	case memory.Change:
		action = in.changedAction(r)
	}
	wholeFlow := h.tx != nil || h.stream || r.class != classPacket
	switch action {
	case ActionPass:
		v.Action = ActionPass
		v.PassFlow = v.PassFlow || wholeFlow
		return false
	case ActionConfig:
		return true
	case ActionDrop, ActionReject, ActionRejectDst, ActionRejectBoth:
		v.Action = strongest(v.Action, action)
		v.DropFlow = v.DropFlow || wholeFlow
	}
	if len(v.Alerts) < in.cfg.PacketAlertMax {
		v.Alerts = append(v.Alerts, Alert{Rule: &in.set.metas[h.rule], Tx: h.tx, TxID: h.txID, Frame: h.frame, Stream: h.stream, OfApp: r.apps != 0,
			Drop: action >= ActionDrop && action != ActionConfig, Quiet: quiet})
	} else if !quiet {
		v.Discarded++
	}
	return true
}

// strongest joins two actions on one packet: who is to be told by either is
// told.
func strongest(a, b Action) Action {
	if min(a, b) == ActionReject && max(a, b) == ActionRejectDst {
		return ActionRejectBoth
	}
	return max(a, b)
}

// limited asks thresholds, filters and suppressions of a rule.
func (in *Inspector) limited(h *hit, r *rule, c *Context) memory.Answer {
	if r.suppress != nil && r.suppress.Has(&in.who) {
		return memory.Silent
	}
	out := memory.Alert
	meta := &in.set.metas[h.rule]
	for i := range r.limits {
		switch in.thresholds.Count(memory.RuleKey(meta.GID, meta.SID), &r.limits[i], &in.who, c.Now) {
		case memory.Ignore:
			return memory.Ignore
		case memory.Silent:
			out = memory.Silent
		case memory.Change:
			if out == memory.Alert {
				out = memory.Change
			}
		}
	}
	return out
}

// changedAction is the action of a rule's rate_filter.
func (in *Inspector) changedAction(r *rule) Action {
	for i := range r.limits {
		if l := &r.limits[i]; l.Kind == memory.KindRate {
			switch l.Action {
			case memory.RateDrop:
				return ActionDrop
			case memory.RatePass:
				return ActionPass
			case memory.RateReject:
				return ActionReject
			default:
				return ActionAlert
			}
		}
	}
	return r.action
}
