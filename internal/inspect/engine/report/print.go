package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Lines of each part of the page.
const (
	linesPairs  = 8
	linesShares = 6
	linesAlerts = 8
	linesHits   = 8
	linesFiles  = 5
	linesNames  = 6
	linesOdd    = 6
	width       = 56 // of names
)

// page prints parts with a heading each.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// table prints rows under a heading, up to limit, and how many are left.
func (p *page) table(heading string, limit int, rows [][]string, more int) {
	if len(rows) == 0 {
		return
	}
	p.line("\n%s", heading)
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, row := range rows[:min(limit, len(rows))] {
		fmt.Fprintln(t, "  "+strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil && p.err == nil {
		p.err = err
	}
	if left := max(0, len(rows)-limit) + more; left > 0 {
		p.line("  … and %d more", left)
	}
}

// Write prints the report as text for a terminal, in at most 77 lines and in
// the same order for the same capture.
func (c *Collector) Write(w io.Writer, s *Source) error {
	p := &page{w: w}
	c.head(p, s)
	p.table("Who talked to whom", linesPairs, c.talks(), int(c.restN))
	p.table("Protocols", linesShares, c.shares(), 0)
	c.alarms(p, s)
	c.hits(p, s)
	p.table("Files", linesFiles, c.fileRows(), 0)
	p.table("Names asked for", linesNames, c.nameRows(), 0)
	if c.left > 0 {
		p.line("  (%d more names and files were not kept)", c.left)
	}
	rows := c.hints(s)
	p.table("Odd things", linesOdd+len(rows), append(rows, c.events(s)...), 0)
	if len(rows) == 0 && len(c.odd) == 0 && s.Totals.Engine.Broken == 0 {
		p.line("\nNothing odd.")
	}
	return p.err
}

func (c *Collector) head(p *page, s *Source) {
	e := &s.Totals.Engine
	p.line("%s: %s packets, %s, %s flows", s.File, count(e.Packets), size(e.Bytes), count(c.flows))
	if e.Packets > 0 {
		p.line("%s to %s (%s)", stamp(e.First), stamp(e.Last), time.Duration(e.Last-e.First).Round(time.Millisecond))
	}
	if s.Filter != "" {
		p.line("Only packets that fit: %s", s.Filter)
	}
}

func (c *Collector) talks() [][]string {
	keys := slices.SortedFunc(maps.Keys(c.pairs), func(a, b pair) int {
		return cmp.Or(cmp.Compare(c.pairs[b].bytes, c.pairs[a].bytes), slices.Compare(a.client[:], b.client[:]), slices.Compare(a.server[:], b.server[:]))
	})
	var rows [][]string
	for _, k := range keys {
		t := c.pairs[k]
		rows = append(rows, []string{address(k.client), "⇄ " + address(k.server), size(t.bytes), plural(t.flows, "flow"), t.protocols()})
	}
	return rows
}

// protocols names what two ends spoke.
func (t *talk) protocols() string {
	var out []string
	for id := range protocol.NumIDs {
		if t.apps&(1<<id) != 0 {
			out = append(out, protocol.ID(id).String())
		}
	}
	for _, n := range t.protos {
		if n != 0 {
			out = append(out, engine.ProtoName(n))
		}
	}
	if len(out) > 4 {
		return strings.Join(out[:4], ", ") + " …"
	}
	return strings.Join(out, ", ")
}

func (c *Collector) shares() [][]string {
	type named struct {
		name string
		share
	}
	var list []named
	var total uint64
	for id, s := range c.apps {
		list = append(list, named{protocol.ID(id).String(), s})
		total += s.bytes
	}
	for n, s := range c.protos {
		list = append(list, named{"other " + engine.ProtoName(uint8(n)), s})
		total += s.bytes
	}
	list = slices.DeleteFunc(list, func(n named) bool { return n.flows == 0 })
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Compare(b.bytes, a.bytes) })
	var rows [][]string
	for _, n := range list {
		rows = append(rows, []string{n.name, fmt.Sprintf("%.1f %%", 100*float64(n.bytes)/float64(max(1, total))), size(n.bytes), plural(n.flows, "flow")})
	}
	return rows
}

func (c *Collector) alarms(p *page, s *Source) {
	if s.Totals.Rules == 0 && len(c.alerts) == 0 {
		p.line("\nNo rules were asked for: give some with -S to see alerts.")
		return
	}
	keys := slices.SortedFunc(maps.Keys(c.alerts), func(a, b ruleKey) int {
		x, y := c.alerts[a], c.alerts[b]
		return cmp.Or(cmp.Compare(x.severity, y.severity), cmp.Compare(y.count, x.count), cmp.Compare(a.gid, b.gid), cmp.Compare(a.sid, b.sid))
	})
	var rows [][]string
	for _, k := range keys {
		a := c.alerts[k]
		rows = append(rows, []string{count(a.count) + "×", fmt.Sprintf("severity %d", a.severity), fmt.Sprint(k.sid), short(a.message, 72)})
	}
	heading := fmt.Sprintf("Alerts of %s rules", count(uint64(s.Totals.Rules)))
	if s.Totals.Fails > 0 {
		heading += fmt.Sprintf(" (%d refused: masugata-gate rules check)", s.Totals.Fails)
	}
	if len(rows) == 0 {
		rows = [][]string{{"none"}}
	}
	p.table(heading, linesAlerts, rows, 0)
}

// hits prints what of bad reputation was met, the worst first.
func (c *Collector) hits(p *page, s *Source) {
	if s.Listed == 0 {
		return
	}
	keys := slices.SortedFunc(maps.Keys(c.listed), func(a, b hit) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(c.listed[b], c.listed[a]), cmp.Compare(a.kind, b.kind), cmp.Compare(a.text, b.text),
			cmp.Compare(a.where, b.where), slices.Compare(a.client[:], b.client[:]))
	})
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{short(k.text, width), k.where, fmt.Sprintf("score %d or more", k.score), "met by " + address(k.client), count(c.listed[k]) + "×"})
	}
	if len(rows) == 0 {
		rows = [][]string{{"none"}}
	}
	p.table(fmt.Sprintf("Of bad reputation (%s things looked for)", count(uint64(s.Listed))), linesHits, rows, 0)
}

func (c *Collector) fileRows() [][]string {
	keys := slices.SortedFunc(maps.Keys(c.files), func(a, b file) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name), cmp.Compare(a.app, b.app), cmp.Compare(a.state, b.state))
	})
	var rows [][]string
	for _, k := range keys {
		state := strings.ToLower(k.state)
		if k.state == "CLOSED" {
			state = "complete"
		}
		if n := c.files[k]; n > 1 {
			state += fmt.Sprintf(", %d times", n)
		}
		rows = append(rows, []string{short(k.name, width), size(k.size), k.app.String(), state})
	}
	return rows
}

func (c *Collector) nameRows() [][]string {
	keys := slices.SortedFunc(maps.Keys(c.names), func(a, b name) int {
		return cmp.Or(cmp.Compare(c.names[b], c.names[a]), cmp.Compare(a.text, b.text), cmp.Compare(a.app, b.app))
	})
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{short(k.text, width), k.app.String(), count(c.names[k]) + "×"})
	}
	return rows
}

// hints are things that the reader of the report can do something about.
func (c *Collector) hints(s *Source) [][]string {
	var rows [][]string
	e := &s.Totals.Engine
	if s.Truncated != "" {
		rows = append(rows, []string{"the file is cut off: " + s.Truncated})
	}
	if s.Checked && 10*e.BadSums > e.Packets {
		rows = append(rows, []string{fmt.Sprintf("%s of %s packets have wrong checksums and were left out, as captured on a machine", count(e.BadSums), count(e.Packets))})
		rows = append(rows, []string{"whose network card computes them: try again with -k none"})
	} else if e.BadSums > 0 {
		rows = append(rows, []string{plural(e.BadSums, "packet") + " with a wrong checksum"})
	}
	if e.Invalid > 0 {
		rows = append(rows, []string{plural(e.Invalid, "packet") + " with a broken header"})
	}
	if n := s.Totals.Flow.Gaps; n > 0 {
		rows = append(rows, []string{fmt.Sprintf("%s in TCP streams, %s missing: packets were lost on their way into the file", plural(n, "gap"), size(s.Totals.Flow.GapBytes))})
	}
	if c.stopped > 0 {
		rows = append(rows, []string{plural(c.stopped, "packet") + " would have been stopped inline"})
	}
	return rows
}

// events are counts of decoder, stream and protocol events, most first.
func (c *Collector) events(s *Source) [][]string {
	all := maps.Clone(c.odd)
	for n, event := range packet.EventNames() {
		if k := s.Totals.Engine.Events[n]; k > 0 {
			all["decoder."+event] = k
		}
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(all[b], all[a]), cmp.Compare(a, b)) })
	var rows [][]string
	for _, k := range keys {
		rows = append(rows, []string{count(all[k]) + "× " + k})
	}
	return rows
}

func address(a packet.Addr) string { return netip.AddrFrom16(a).Unmap().String() }

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02 15:04:05.000 MST") }

// short cuts text to n runes and takes out what a terminal would act on.
func short(s string, n int) string {
	if s == "" {
		return "(no name)"
	}
	r := []rune(strings.ToValidUTF8(s, "·"))
	for i, c := range r {
		if c < 0x20 || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029 || c >= 0x202a && c <= 0x202e {
			r[i] = '·'
		}
	}
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return string(r)
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

// count writes a number with commas.
func count(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(n uint64) string {
	units := [...]string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
