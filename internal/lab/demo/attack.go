package demo

import (
	"context"
	"time"

	"github.com/masugata/masugata/internal/lab/staging"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// stagger is how long after camera A camera B joins in.
const stagger = 700 * time.Millisecond

// gap between two attacks.
const gap = 300 * time.Millisecond

// attack stages one attack by camera A, which camera B joins, on a fresh
// address of the victim, and counts.
func (d *demo) attack(ctx context.Context, m Mode, v model.Vector, run int) (*stagedAttack, error) {
	a := staging.Attack{Vector: v, Target: topology.VictimAddr(d.next), PPS: d.PPS, Duration: d.Attack,
		Devices: []topology.Node{topology.CameraA, topology.CameraB}, Stagger: stagger}
	d.next++
	r, err := staging.Start(ctx, d.lab, a)
	if err != nil {
		return nil, err
	}
	out, err := r.Wait(ctx)
	if err != nil {
		return nil, err
	}
	s := &stagedAttack{Attack: a}
	for _, n := range a.Devices {
		x := Result{Mode: m, Vector: v, Run: run, Device: n}
		x.judge(out[n])
		s.results = append(s.results, x)
		if out[n].Sent.Last.After(s.end) {
			s.end = out[n].Sent.Last
		}
	}
	time.Sleep(gap)
	return s, nil
}

// await reads events and actions until every attack is told of, or the time
// is over; what is missing then shows in the results.
func (d *demo) await(ctx context.Context, staged []*stagedAttack, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(250 * time.Millisecond) {
		missing, err := d.match(ctx, staged)
		if err != nil {
			return err
		}
		if missing == 0 || time.Now().After(end) {
			return nil
		}
	}
}

// match fills events and actions into the results and says how many results
// still lack something they should have.
func (d *demo) match(ctx context.Context, staged []*stagedAttack) (missing int, err error) {
	events, err := d.product.api.events(ctx, "kind:flood.outbound", 5000)
	if err != nil {
		return 0, err
	}
	actions, err := d.product.api.actions(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range staged {
		for i := range s.results {
			r := &s.results[i]
			r.detect(s.Target.String(), events, s.end.Add(time.Second))
			if r.Mode != ControlDown {
				r.general(s.Target.String(), actions, s.end.Add(time.Second))
			}
			if r.DetectedBy == "" && r.Through > 0 || r.Mode != ControlDown && !r.General {
				missing++
			}
		}
	}
	return missing, nil
}

// retireLimit is how long blocks may outlive the last attack.
const retireLimit = 45 * time.Second

// retire waits until no action is in force any more.
func (d *demo) retire(ctx context.Context, staged []*stagedAttack) error {
	for end := time.Now().Add(retireLimit); ; time.Sleep(200 * time.Millisecond) {
		actions, err := d.product.api.actions(ctx)
		if err != nil {
			return err
		}
		live := 0
		state := map[model.ID]*model.Action{}
		for i := range actions {
			state[actions[i].ID] = &actions[i]
			if actions[i].State.Live() {
				live++
			}
		}
		if live > 0 && time.Now().Before(end) {
			continue
		}
		for _, s := range staged {
			for i := range s.results {
				r := &s.results[i]
				if a := state[r.ActionID]; a != nil && a.State == model.ActionRetired {
					r.Retired = true
					d.report.Retired = max(d.report.Retired, a.Ended.Sub(s.end))
				}
			}
		}
		return nil
	}
}
