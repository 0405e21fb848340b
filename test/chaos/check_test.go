package chaos

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/decide/query"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
	"github.com/masugata/masugata/internal/store/event"
	"github.com/masugata/masugata/internal/store/event/duckdb"
	"github.com/masugata/masugata/internal/store/state"
)

// check looks at all that the processes left, none of which runs any more.
func (c *chaos) check() {
	c.t.Helper()
	parts := map[model.PartID]string{}
	for _, p := range c.parts {
		id, err := identity.Open(c.partDir(p.name))
		if err != nil {
			c.t.Fatalf("identity of %s after %d kills: %v", p.name, p.kills, err)
		}
		parts[id.Part()] = p.name
		c.checkLeftovers(c.partDir(p.name))
	}
	c.checkEvents(parts)
	st, err := state.Open(context.Background(), state.Config{URL: "sqlite:" + filepath.Join(c.data(), "state.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	defer st.Close()
	c.checkState(st)
	c.checkCertificates(st, parts)
	c.checkSets(st)
}

// stored counts how often each numbered event of a part is in the store.
type stored map[model.PartID]map[uint64]int

func (c *chaos) read() (all stored, total int) {
	c.t.Helper()
	ctx := context.Background()
	s, err := duckdb.Open(ctx, duckdb.Config{Dir: filepath.Join(c.data(), "events"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	all = stored{}
	ids, twice := map[model.ID]bool{}, 0
	for before := event.Cursor(""); ; {
		page, next, err := s.Search(ctx, query.Query{}, event.MaxSearch, before)
		if err != nil {
			c.t.Fatal(err)
		}
		for i := range page {
			e := &page[i]
			if ids[e.ID] {
				if twice++; twice <= 3 { // enough to go by
					c.t.Errorf("event %s (%s of %s, %s) is stored twice", e.ID, e.Kind, e.Reporter, e.Subject)
				}
			}
			ids[e.ID] = true
			if e.Rule == rule {
				all.add(c, e)
			}
		}
		if before = next; next == "" {
			return all, len(ids)
		}
	}
}

func (s stored) add(c *chaos, e *model.Event) {
	n, err := counter(e)
	if err != nil {
		c.t.Error(err)
	}
	if s[e.Reporter] == nil {
		s[e.Reporter] = map[uint64]int{}
	}
	s[e.Reporter][n]++
}

// checkEvents compares the parts' ledgers with the event store.
func (c *chaos) checkEvents(parts map[model.PartID]string) {
	c.t.Helper()
	all, total := c.read()
	var acked, flushed, repeated int
	for part, name := range parts {
		in := all[part]
		a, again := c.checkAcked(name, in)
		acked, repeated = acked+a, repeated+again
		flushed += c.checkFlushed(name, in)
		twice := 0
		for _, n := range in {
			if n > 1 {
				twice++
			}
		}
		if twice > 0 {
			c.t.Errorf("%s: %d events are stored twice", name, twice)
		}
		delete(all, part)
	}
	for part := range all {
		c.t.Errorf("events of %s, who is none of the parts", part)
	}
	if acked < 100*c.made/10 {
		c.t.Errorf("only %d events were acknowledged: that is no load", acked)
	}
	c.t.Logf("%d events acknowledged (%d of them told twice to a part that was killed in between), %d flushed by parts that knew it; %d events stored", acked, repeated, flushed, total)
}

// checkAcked finds acknowledged events that are not stored.
func (c *chaos) checkAcked(name string, in map[uint64]int) (acked, again int) {
	c.t.Helper()
	numbers, err := readNumbers(c.partDir(name), ackedLedger)
	if err != nil {
		c.t.Fatal(err)
	}
	seen, lost := make(map[uint64]bool, len(numbers)), 0
	for _, n := range numbers {
		if seen[n] {
			again++
			continue
		}
		seen[n] = true
		if in[n] == 0 {
			lost++
		}
	}
	if lost > 0 {
		c.t.Errorf("%s: %d of %d acknowledged events are lost", name, lost, len(seen))
	}
	return len(seen), again
}

// checkFlushed finds events that were in the spool, by the ledger, and did not
// come, and events that were never made.
func (c *chaos) checkFlushed(name string, in map[uint64]int) (flushed int) {
	c.t.Helper()
	numbers, err := readNumbers(c.partDir(name), flushedLedger)
	if err != nil {
		c.t.Fatal(err)
	}
	next := map[uint64]uint64{} // of each generation
	for _, n := range numbers {
		next[n>>32] = max(next[n>>32], n&math.MaxUint32)
	}
	lost := 0
	for generation, to := range next {
		for n := range to {
			if in[generation<<32|n] == 0 {
				lost++
			}
		}
		flushed += int(to)
	}
	invented := 0
	for n := range in {
		if n&math.MaxUint32 > next[n>>32]+2*eachTurn {
			invented++
		}
	}
	if lost > 0 || invented > 0 {
		c.t.Errorf("%s: of %d events in its spool %d are lost; %d are stored that it cannot have made", name, flushed, lost, invented)
	}
	return flushed
}

// checkLeftovers bounds what half-made files leave in a part's folder.
func (c *chaos) checkLeftovers(dir string) {
	c.t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil {
		c.t.Fatal(err)
	}
	if len(left) > 1 {
		c.t.Errorf("%s: %d half-written files are left: %v", dir, len(left), left)
	}
}

// checkState reads every table that people rely on.
func (c *chaos) checkState(st *state.Store) {
	c.t.Helper()
	ctx := context.Background()
	lines, err := st.VerifyAudit(ctx)
	if err != nil {
		c.t.Errorf("audit trail: %v", err)
	}
	if lines < uint64(len(c.parts)) {
		c.t.Errorf("audit trail of %d lines, although %d tokens were made", lines, len(c.parts))
	}
	incidents := pages(c, func(p model.Page) ([]model.Incident, string, error) {
		return st.Incidents(ctx, model.IncidentFilter{}, p)
	})
	actions := pages(c, func(p model.Page) ([]model.Action, string, error) {
		return st.Actions(ctx, model.ActionFilter{}, p)
	})
	known := map[model.ID]bool{}
	for _, i := range incidents {
		known[i.ID] = true
	}
	for _, a := range actions {
		if !a.Incident.IsZero() && !known[a.Incident] {
			c.t.Errorf("action %s is of incident %s, which is not there", a.ID, a.Incident)
		}
	}
	if len(incidents) == 0 || len(actions) == 0 {
		c.t.Errorf("%d incidents, %d actions after floods were reported, want some", len(incidents), len(actions))
	}
	c.t.Logf("audit trail of %d lines holds; %d incidents, %d actions", lines, len(incidents), len(actions))
}

func pages[T any](c *chaos, get func(model.Page) ([]T, string, error)) (all []T) {
	c.t.Helper()
	for p := (model.Page{Limit: 500}); ; {
		list, next, err := get(p)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, list...)
		if p.Before = next; next == "" {
			return all
		}
	}
}

// checkCertificates makes sure that each part holds a certificate that the
// control plane knows of, and that it was renewed on the way.
func (c *chaos) checkCertificates(st *state.Store, parts map[model.PartID]string) {
	c.t.Helper()
	renewals := 0
	for part, name := range parts {
		certs, err := st.Certificates(context.Background(), part)
		if err != nil {
			c.t.Fatal(err)
		}
		renewals += len(certs) - 1
		id, err := identity.Open(c.partDir(name))
		if err != nil {
			c.t.Fatal(err)
		}
		held := hex.EncodeToString(id.Material().Cert.SerialNumber.Bytes())
		found := false
		for _, cert := range certs {
			found = found || cert.Serial == held
		}
		if !found {
			c.t.Errorf("%s holds a certificate that the control plane does not know", name)
		}
	}
	if time.Since(c.began) > 2*certificateLife && renewals == 0 {
		c.t.Error("no certificate was renewed")
	}
	c.t.Logf("%d renewals", renewals)
}

// setContents knows the content of every set, by role, name and version.
type setContents map[string]uint64

// checkSets makes sure that versions of signed sets only rise: within a
// process, over restarts of a part as far as they are on its disk, and at the
// control plane; and that a version never has two contents.
func (c *chaos) checkSets(st *state.Store) {
	c.t.Helper()
	contents, puts := setContents{}, 0
	for _, p := range c.parts {
		sets, err := readSets(c.partDir(p.name))
		if err != nil {
			c.t.Fatal(err)
		}
		puts += len(sets)
		for name, version := range c.followSets(p.name, sets, contents) {
			kept, err := st.Set(context.Background(), keptName(p.name, name))
			if err != nil {
				c.t.Error(err)
			}
			if version > kept.Version {
				c.t.Errorf("%s has set %s version %d; the control plane is back at %d", p.name, name, version, kept.Version)
			}
		}
	}
	c.t.Logf("sets were put into force %d times, %d different versions", puts, len(contents))
}

// role of the part of that name: agents and gates have different sets.
func role(name string) string { return strings.TrimRight(name, "0123456789") }

// keptName is the name that the control plane keeps a part's set under.
func keptName(part, set string) string {
	if role(part) == string(model.RoleAgent) && set == wire.SetActions {
		return set + "@agent"
	}
	return set
}

// followSets goes through what one part put into force and gives the last
// version of each set.
func (c *chaos) followSets(part string, sets []heldSet, contents setContents) map[string]uint64 {
	c.t.Helper()
	last, loaded := map[string]heldSet{}, map[string]uint64{}
	for _, s := range sets {
		key := fmt.Sprint(role(part), " ", s.name, " ", s.version)
		if sum, known := contents[key]; known && sum != s.sum {
			c.t.Errorf("%s: set %s version %d has two contents", part, s.name, s.version)
		}
		contents[key] = s.sum
		was := last[s.name]
		switch {
		case was.generation == s.generation && s.version <= was.version:
			c.t.Errorf("%s: set %s went from version %d to %d", part, s.name, was.version, s.version)
		case was.generation != s.generation && s.version < loaded[s.name]:
			c.t.Errorf("%s: set %s began with version %d after it had begun with %d", part, s.name, s.version, loaded[s.name])
		case was.generation != s.generation:
			loaded[s.name] = s.version
		}
		last[s.name] = s
	}
	out := map[string]uint64{}
	for _, name := range []string{wire.SetPolicy, wire.SetActions} {
		out[name] = last[name].version
		if out[name] == 0 {
			c.t.Errorf("%s never had a set %s", part, name)
		}
	}
	return out
}
