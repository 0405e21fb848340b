package reputation

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/effect"
	"github.com/masugata/masugata/internal/control/reputation/fetch"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
	"github.com/masugata/masugata/internal/model"
)

const (
	// maxContacts is how many contacts a what-if question looks at.
	maxContacts = 200_000
	// shownRemotes is how many remote ends its answer names.
	shownRemotes = 100
	// someDevices and somePorts are how many are named of each.
	someDevices = 5
	somePorts   = 8
	// triedName is the source that a list in question stands for.
	triedName = ownPrefix + "what-if"
	// The questions.
	askedList, askedHeld, askedWithout, askedScore = "list", "held", "without", "score"
)

// WhatIf implements the console's ReputationEffect. Nothing of the question
// comes into force.
func (s *Service) WhatIf(ctx context.Context, q rest.ReputationQuestion, content []byte) (rest.ReputationWhatIf, error) {
	out := rest.ReputationWhatIf{To: s.now().UTC()}
	out.From = out.To.Add(-q.Span)
	var err error
	if out.Question, err = questionOf(&q, content); err != nil {
		return out, err
	}
	history, least := s.effect.Followed()
	if history == nil {
		return out, fmt.Errorf("this service runs without a control plane and knows of no devices: %w", errConflict)
	}
	out.ScoreNow = least
	out.ScoreThen = cmp.Or(q.Score, out.ScoreNow)
	var all []effect.Contact
	err = history.Contacts(ctx, out.From, out.To, maxContacts, func(c *effect.Contact) { all = append(all, *c) })
	if err != nil {
		return out, err
	}
	t := &trial{s: s, out: &out, judged: map[string]*verdicts{}, remotes: map[string]*rest.ReputationWhatIfOf{}}
	out.Cut = len(all) == maxContacts
	s.work.Lock()
	defer s.work.Unlock()
	switch out.Question {
	case askedList:
		err = t.list(&q, content, all)
	case askedHeld:
		err = t.held(ctx, q.Held, all)
	case askedWithout:
		err = t.without(q.Without, all)
	default:
		s.mu.LongRLock()
		t.weigh(s.ledger, all)
		s.mu.LongRUnlock()
	}
	return out, err
}

func questionOf(q *rest.ReputationQuestion, content []byte) (string, error) {
	asked, n := askedScore, 0
	for _, x := range []struct {
		name string
		set  bool
	}{{askedList, len(content) > 0}, {askedHeld, q.Held != ""}, {askedWithout, q.Without != ""}} {
		if x.set {
			asked = x.name
			n++
		}
	}
	switch {
	case n > 1:
		return "", fmt.Errorf("ask for a list, held or without, one of them: %w", errInvalid)
	case n == 0 && q.Score == 0:
		return "", fmt.Errorf("nothing is asked: send a list, or name held, without or score: %w", errInvalid)
	}
	return asked, nil
}

// trial answers one question. The caller holds Service.work.
type trial struct {
	s       *Service
	out     *rest.ReputationWhatIf
	judged  map[string]*verdicts                // by object
	remotes map[string]*rest.ReputationWhatIfOf // by remote end
	objects []intel.Object                      // of the contact at hand
	counted map[string]bool                     // devices of remote ends
}

// verdicts is what is known of an object now and then.
type verdicts struct {
	now, then     intel.Brief
	before, after intel.Object // what is listed
}

// list tries a list as a source, in the place of the feed of that name.
func (t *trial) list(q *rest.ReputationQuestion, content []byte, all []effect.Contact) error {
	d := Feed{Name: triedName, Format: q.List.Format, Owner: cmp.Or(q.List.Owner, q.List.Name, triedName), Trust: int(q.List.Trust), Kind: q.List.Kind.String()}
	if d.Format != "" && !knownFormat(d.Format) {
		return fmt.Errorf("format: %q is none; `masugata reputation formats` lists them: %w", d.Format, errInvalid)
	}
	s := t.s
	var instead intel.SourceID
	if fs, err := s.feed(q.List.Name); err == nil {
		instead = fs.id
	}
	src := d.source()
	s.mu.Lock()
	src.ID = s.ledger.Source(src)
	imp, err := s.ledger.Import(src.ID, s.seconds())
	s.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		s.mu.Lock()
		imp.Abort()
		s.ledger.Forget(src.ID)
		s.mu.Unlock()
	}()
	in := s.newIntake(imp)
	if err = in.read(&d, src, q.List.Name, bytes.NewReader(content)); err == nil {
		err = in.flush()
	}
	if err != nil {
		return fmt.Errorf("%v: %w", err, errInvalid)
	}
	t.try(in, &d, instead, all)
	return nil
}

// held tries the copy of a feed that is held back.
func (t *trial) held(ctx context.Context, name string, all []effect.Contact) error {
	fs, err := t.s.feed(name)
	if err != nil {
		return err
	}
	if t.s.copies.Last(name, fetch.Held).SHA256 == "" {
		return fmt.Errorf("feed %q: nothing of it is held back: %w", name, errConflict)
	}
	in, err := t.s.stage(ctx, &fs.Feed, fs.id, t.s.copies.Path(name, fetch.Held))
	if err != nil {
		return err
	}
	defer in.abort()
	t.try(in, &fs.Feed, 0, all)
	return nil
}

// try weighs the contacts as if an import were in force and the source instead,
// if any, were not.
func (t *trial) try(in *intake, d *Feed, instead intel.SourceID, all []effect.Contact) {
	t.s.mu.LongRLock()
	defer t.s.mu.LongRUnlock()
	in.taken.change = in.imp.Change()
	t.out.Entries, t.out.Refused = in.taken.change.After, in.taken.refused
	t.out.Why = t.s.cfg.Hold.suspect(d, &in.taken)
	t.out.Suspect = doubtWords(t.out.Why)
	t.weigh(in.imp.Suppose().Without(instead), all)
}

// without tries the silence of a source.
func (t *trial) without(name string, all []effect.Contact) error {
	t.s.mu.LongRLock()
	defer t.s.mu.LongRUnlock()
	i := slices.IndexFunc(t.s.ledger.Sources(), func(s intel.Source) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("source %q: %w", name, model.ErrNotFound)
	}
	t.weigh(t.s.ledger.Without(t.s.ledger.Sources()[i].ID), all)
	return nil
}

// counting counts a reach.
type counting struct {
	to      *rest.ReputationReach
	devices map[model.DeviceID]bool
}

func newCounting(to *rest.ReputationReach) *counting {
	return &counting{to, map[model.DeviceID]bool{}}
}

func (n *counting) add(c *effect.Contact) {
	n.to.Contacts++
	n.to.Flows += c.Flows
	n.devices[c.Device] = true
	n.to.Devices = len(n.devices)
}

// weigh asks for each contact whether it is blocked now and would be then. The
// caller holds Service.mu for reading.
func (t *trial) weigh(then *ledger.Ledger, all []effect.Contact) {
	o := t.out
	every, now, later := newCounting(&o.All), newCounting(&o.Now), newCounting(&o.Then)
	more, less := newCounting(&o.More), newCounting(&o.Less)
	for i := range all {
		c := &all[i]
		v := t.worst(then, c)
		is, would := effect.Blocks(v.now, o.ScoreNow), effect.Blocks(v.then, o.ScoreThen)
		every.add(c)
		if is {
			now.add(c)
		}
		if would {
			later.add(c)
		}
		switch {
		case would && !is:
			more.add(c)
		case is && !would:
			less.add(c)
		default:
			continue
		}
		t.name(c, v, would)
	}
	t.out.Top = slices.SortedFunc(func(yield func(rest.ReputationWhatIfOf) bool) {
		for x := range maps.Values(t.remotes) {
			if !yield(*x) {
				return
			}
		}
	}, func(a, b rest.ReputationWhatIfOf) int {
		return cmp.Or(cmp.Compare(b.Devices, a.Devices), cmp.Compare(b.Flows, a.Flows), cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Address, b.Address))
	})
	t.out.Top = t.out.Top[:min(len(t.out.Top), shownRemotes)]
}

// worst judges what a contact can be listed by, now and then.
func (t *trial) worst(then *ledger.Ledger, c *effect.Contact) verdicts {
	var out verdicts
	t.objects = c.Objects(t.objects[:0])
	for _, o := range t.objects {
		v := t.judge(then, o)
		if v.now.Score >= out.now.Score {
			out.now, out.before = v.now, v.before
		}
		if v.then.Score >= out.then.Score {
			out.then, out.after = v.then, v.after
		}
	}
	return out
}

func (t *trial) judge(then *ledger.Ledger, o intel.Object) *verdicts {
	key := o.String()
	v := t.judged[key]
	if v == nil {
		at := t.s.seconds()
		v = &verdicts{now: t.s.ledger.Brief(o, at), then: then.Brief(o, at), before: o, after: o}
		if v.now.Listed() {
			v.before = t.s.ledger.Explain(o, at).Match
		}
		if v.then.Listed() {
			v.after = then.Explain(o, at).Match
		}
		t.judged[key] = v
	}
	return v
}

// name adds a contact to its remote end's entry in the answer.
func (t *trial) name(c *effect.Contact, v verdicts, would bool) {
	key := c.Name + " " + c.Addr.String()
	x := t.remotes[key]
	if x == nil {
		x = &rest.ReputationWhatIfOf{Remote: c.Remote(), Blocked: would, ScoreNow: v.now.Score, ScoreThen: v.then.Score,
			Object: v.after.String(), Kind: v.then.Kind, Some: []model.DeviceID{}, Ports: []string{}}
		if !would {
			x.Object, x.Kind = v.before.String(), v.now.Kind
		}
		if c.Addr.IsValid() {
			x.Address = c.Addr.String()
		}
		t.remotes[key] = x
	}
	x.Flows += c.Flows
	if c.Last.After(x.Last) {
		x.Last = c.Last.UTC()
	}
	if p := c.Service(); p != "" && len(x.Ports) < somePorts && !slices.Contains(x.Ports, p) {
		x.Ports = append(x.Ports, p)
	}
	t.device(x, c.Device)
}

// device counts a device of a remote end once.
func (t *trial) device(x *rest.ReputationWhatIfOf, d model.DeviceID) {
	key := strings.Join([]string{x.Remote, x.Address, string(d)}, " ")
	if t.counted == nil {
		t.counted = map[string]bool{}
	}
	if t.counted[key] {
		return
	}
	t.counted[key] = true
	x.Devices++
	if len(x.Some) < someDevices {
		x.Some = append(x.Some, d)
	}
}
