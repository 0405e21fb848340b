package listed

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/host/connect"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Bounds of events: the first attempt of a kind is told at once, its repeats
// together.
const (
	joinFor  = time.Minute
	maxKinds = 128 // within that time; of more only the count is kept
)

// outcome is what became of an attempt.
type outcome uint8

const (
	passed    outcome = iota // the mode only observes
	refused                  // by the kernel, when it was asked
	halted                   // once its packets were seen
	unstopped                // was to be halted
)

// key is what makes attempts one.
type key struct {
	remote netip.AddrPort
	proto  uint8
	pid    uint32
	what   outcome
}

// joined holds what was told lately.
type joined map[key]*repeats

// repeats are the attempts since the one that was told.
type repeats struct {
	began, last time.Time
	count       uint32
	event       *model.Event // the one that was told
}

// add tells a new kind of attempt and counts one that is known.
func (j joined) add(k key, count uint32, now time.Time, submit func(*model.Event), event func() *model.Event) {
	if old := j[k]; old != nil {
		old.count += count
		old.last = now
		return
	}
	if len(j) < maxKinds { // so many at once are a scan, of which enough is told
		j.put(k, event(), now, submit)
	}
}

// put tells an attempt and notes it.
func (j joined) put(k key, e *model.Event, now time.Time, submit func(*model.Event)) {
	j[k] = &repeats{began: now, last: now, event: e}
	submit(e)
}

// meanwhile says whether somebody was told of speaking with the remote end
// lately, or too much else, and notes that it goes on.
func (j joined) meanwhile(m *meeting, now time.Time) bool {
	known := len(j) >= maxKinds
	for k, r := range j {
		if k.remote == m.remote && k.proto == m.proto {
			r.last, known = now, true
		}
	}
	return known
}

// flush tells the repeats whose time is over.
func (j joined) flush(now time.Time, submit func(*model.Event)) {
	for k, r := range j {
		switch {
		case r.count > 0 && now.Sub(r.began) >= joinFor:
			e := *r.event
			e.ID, e.Time, e.Last, e.Count = model.NewID(now), r.began, r.last, r.count
			r.began, r.count = now, 0
			submit(&e)
		case r.count == 0 && now.Sub(r.last) >= joinFor:
			delete(j, k)
		}
	}
}

// event has the form of the gate's for the same thing: the listed address is
// its subject and its first observable.
func (r *runner) event(a *connect.Attempt, what outcome, now time.Time) *model.Event {
	addr := a.Remote.Addr().String()
	tier := r.set.Address(a.Remote.Addr())
	e := &model.Event{ID: model.NewID(now), Time: now, Last: now, Device: r.cfg.Device(), Layer: model.LayerDevice,
		Kind: model.KindListedSeen, Severity: severityOf(tier), Subject: addr, Rule: "reputation", Count: a.Count,
		Observables: []model.Observable{{Type: model.ObservableIP, Value: addr}}}
	to := addr
	if port := a.Remote.Port(); port != 0 {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(port))})
		to = a.Remote.String()
	}
	if name := protocolName(a.Proto); name != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableProto, Value: name})
		to += " (" + name + ")"
	}
	if what == refused || what == halted {
		e.Kind = model.KindListedBlocked
	}
	e.Explanation = r.sender(e, a) + " spoke with " + to + ", or began to, which reputation lists with a score of " +
		strconv.Itoa(int(tier.Score())) + " or more. " + [...]string{
		passed:    "The agent let it pass, because the policy only observes.",
		refused:   "The agent had the kernel refuse it.",
		halted:    "The agent saw it by its packets; since then the kernel lets nothing go there.",
		unstopped: "The agent saw it by its packets and could not stop it.",
	}[what]
	e.Advice = "Ask why it is listed (masugata reputation explain), and find out what the program is and who put it there. If it is harmless, allow the address (masugata reputation allow)."
	return e
}

// sender says who tried, and adds it to the event.
func (r *runner) sender(e *model.Event, a *connect.Attempt) string {
	if a.PID == 0 {
		return "A process that could not be told"
	}
	number := " (process " + strconv.FormatUint(uint64(a.PID), 10) + ")"
	who := r.cfg.Who(a.PID)
	if who == nil || who.Path == "" {
		return a.Name + number
	}
	who.Remotes = []netip.AddrPort{a.Remote}
	e.Process = who
	e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePath, Value: who.Path})
	if who.SHA256 != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableSHA256, Value: who.SHA256})
	}
	return who.Path + number
}

func severityOf(t edge.Tier) model.Severity {
	switch {
	case t >= edge.TierCertain:
		return model.SeverityHigh
	case t == edge.TierHigh:
		return model.SeverityMedium
	}
	return model.SeverityLow
}

func protocolName(p uint8) string {
	switch p {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return ""
}
