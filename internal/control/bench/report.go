package bench

import (
	"fmt"
	"io"
	"time"

	"github.com/masugata/masugata/internal/control/ingest"
)

// Report is what a run of Ingest found.
type Report struct {
	Options  Options
	Machine  string
	Elapsed  time.Duration // from the first report to the last acknowledgement
	Drain    time.Duration // from then until all was stored
	Acked    uint64        // events acknowledged to agents
	Stored   uint64        // events found in the store afterwards
	Late     uint64        // reports that took over a second
	Retried  uint64        // reports that were refused or failed, and sent again
	Pipeline ingest.Stats
	Control  use // the receiving process
	Agents   use // the generator
	Rows     uint64
	Queries  []Timing
	Searches Searches

	StoredAtEnd   uint64 // when the last agent had its last acknowledgement
	DiskBytes     int64
	controlBefore use
}

// Rate is how many events a second were acknowledged.
func (r *Report) Rate() float64 { return float64(r.Acked) / r.Elapsed.Seconds() }

// Verdict is nil when everything acknowledged is stored once and the rate was
// kept: all but one in a thousand of the events asked for came within the time,
// give or take a second for the last answers.
func (r *Report) Verdict() error {
	if r.Stored != r.Acked {
		return fmt.Errorf("bench ingest: %d events acknowledged, %d stored", r.Acked, r.Stored)
	}
	if r.Pipeline.Unreadable > 0 || r.Pipeline.Missing > 0 {
		return fmt.Errorf("bench ingest: %d batches unreadable, %d missing", r.Pipeline.Unreadable, r.Pipeline.Missing)
	}
	want := float64(r.Options.Rate) * r.Options.Duration.Seconds() * 0.999
	if float64(r.Acked) < want || r.Elapsed > r.Options.Duration+time.Second {
		return fmt.Errorf("bench ingest: %.0f events/s, %d were asked for", r.Rate(), r.Options.Rate)
	}
	return nil
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) {
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%-58s %s\n", name, fmt.Sprintf(format, args...))
	}
	cores := func(u use) float64 { return u.CPU.Seconds() / (r.Elapsed + r.Drain).Seconds() }
	per := float64(max(r.Acked, 1))
	const mib = 1 << 20
	line("machine", "%s", r.Machine)
	line("agents, each reporting every", "%d, %s", r.Options.Devices, r.Options.Every)
	line("events acknowledged", "%d in %s", r.Acked, r.Elapsed.Round(10*time.Millisecond))
	line("events/s sustained (acknowledged)", "%.0f (asked for %d)", r.Rate(), r.Options.Rate)
	line("stored when the last acknowledgement came", "%.2f %%", 100*float64(r.StoredAtEnd)/per)
	line("until everything was stored", "%s", r.Drain.Round(time.Millisecond))
	line("events stored, exactly once", "%d (difference %d)", r.Stored, int64(r.Stored)-int64(r.Acked))
	line("commits, batches, repeated batches", "%d, %d, %d", r.Pipeline.Commits, r.Pipeline.Batches, r.Pipeline.Repeated)
	line("reports that waited over 1 s, that were sent again", "%d, %d", r.Late, r.Retried)
	line("CPU: link, bus, pipeline, store", "%.2f cores, %.2f µs an event", cores(r.Control), r.Control.CPU.Seconds()*1e6/per)
	line("CPU: agents", "%.2f cores, %.2f µs an event", cores(r.Agents), r.Agents.CPU.Seconds()*1e6/per)
	line("peak resident memory: control side, agents", "%.0f MiB, %.0f MiB", float64(r.Control.Peak)/mib, float64(r.Agents.Peak)/mib)
	line("disk of the event store", "%.1f bytes an event", float64(r.DiskBytes)/per)
	line("rows in the store for the questions below", "%d", r.Rows)
	for _, q := range r.Queries {
		line("  "+q.Name, "%s (first %s)", q.Best.Round(time.Millisecond/10), q.First.Round(time.Millisecond/10))
	}
	if r.Searches.Asked > 0 {
		line("histogram and search together, while events came in", "median %s, worst %s, %d asked, %d failed",
			r.Searches.Median.Round(time.Millisecond), r.Searches.Worst.Round(time.Millisecond), r.Searches.Asked, r.Searches.Failed)
	}
}
