package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// Progress shows the steps: a bar on a terminal, plain lines otherwise. The
// function it gives is for Config.Step.
func Progress(w io.Writer, terminal bool) func(text string, done, all int) {
	start := time.Now()
	if !terminal {
		return func(text string, done, all int) {
			fmt.Fprintf(w, "%5.1fs  %2d/%d  %s\n", time.Since(start).Seconds(), done+1, all, text)
		}
	}
	var bar *progressbar.ProgressBar
	return func(text string, done, all int) {
		if bar == nil {
			bar = progressbar.NewOptions(all, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24),
				progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false))
		}
		bar.Describe(fmt.Sprintf("%-46.46s", text))
		_ = bar.Set(done)
		if done+1 == all {
			_ = bar.Finish()
		}
	}
}

// Print writes the report as a table or as json.
func (o *Outcome) Print(w io.Writer, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			*Outcome
			Failures []string `json:"failures"`
		}{o, o.Failures()})
	}
	if err := o.table(w); err != nil {
		return err
	}
	o.summary(w)
	return nil
}

// row is all runs of one mode, vector and device.
type row struct {
	mode   Mode
	vector model.Vector
	device topology.Node
}

func (o *Outcome) table(w io.Writer) error {
	var order []row
	groups := map[row][]Result{}
	for _, r := range o.Results {
		k := row{r.Mode, r.Vector, r.Device}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "MODE\tVECTOR\tDEVICE\tFIRST PACKET\tDETECTED AFTER\tBY\tBLOCKED AFTER\tSENT\tTHROUGH\tSTOPPED AFTER BLOCK\tFOR ALL DEVICES AFTER")
	for _, k := range order {
		line(t, k, groups[k])
	}
	return t.Flush()
}

func line(w io.Writer, k row, rs []Result) {
	var detected, blocked, general []time.Duration
	var sent, through, after, leaked uint64
	stopped, by := true, map[string]bool{}
	for _, r := range rs {
		if r.DetectedBy != "" {
			detected = append(detected, r.Detected)
			by[r.DetectedBy[:min(5, len(r.DetectedBy))]] = true
		}
		blocked = append(blocked, r.Blocked)
		if r.General {
			general = append(general, r.Arrived)
		}
		sent, through, after, leaked = sent+r.Sent, through+r.Through, after+r.After, leaked+r.Leaked
		stopped = stopped && r.Stopped
	}
	share := "NOT STOPPED"
	if stopped && after > 0 {
		share = fmt.Sprintf("%.3f %%", 100*(1-float64(leaked)/float64(after)))
	}
	who := ""
	for _, p := range []string{"gate-", "agent"} {
		if by[p] {
			who += map[bool]string{true: "+", false: ""}[who != ""] + map[string]string{"gate-": "gate", "agent": "agent"}[p]
		}
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", k.mode, k.vector, k.device, rs[0].First.Local().Format("15:04:05.000"),
		both(detected), who, both(blocked), sent, through, share, both(general))
}

// both gives one time, or median and worst of several.
func both(d []time.Duration) string {
	if len(d) == 0 {
		return "-"
	}
	m, worst := spread(d)
	if len(d) == 1 {
		return fmt.Sprintf("%d ms", m.Milliseconds())
	}
	return fmt.Sprintf("%d (worst %d) ms", m.Milliseconds(), worst.Milliseconds())
}

func (o *Outcome) summary(w io.Writer) {
	bad, total := o.BenignBad()
	fmt.Fprintf(w, "\nordinary traffic: %d of %d units lost or wrong", bad, total)
	kinds := map[string]uint64{}
	for _, l := range o.Losses {
		kinds[l.Kind] += l.Total
	}
	fmt.Fprintf(w, " (video frames %d, broker messages %d, speed test transfers %d)\n",
		kinds["video camera-a"]+kinds["video camera-b"]+kinds["upload camera-a"], kinds["mqtt publish"]+kinds["mqtt receive"], kinds["speed test"])
	fmt.Fprintf(w, "speed test: %.0f down / %.0f up Mbit/s before, %.0f / %.0f during, lowest reading %.0f / %.0f\n",
		o.SpeedBefore.DownMbit, o.SpeedBefore.UpMbit, o.SpeedDuring.DownMbit, o.SpeedDuring.UpMbit, o.SpeedLowest.DownMbit, o.SpeedLowest.UpMbit)
	if o.Retired > 0 {
		fmt.Fprintf(w, "blocks ended by themselves at most %.1f s after the attack's last packet\n", o.Retired.Seconds())
	}
	o.goals(w)
	fmt.Fprintf(w, "took %.0f s\n", o.Took.Seconds())
	for _, f := range o.Failures() {
		fmt.Fprintln(w, "FAILED:", f)
	}
	if o.Dashboard != "" {
		fmt.Fprintf(w, "\nThe lab is left running. Dashboard: %s\nSet up the first user: %s\nEnd it with: masugata lab down\n", o.Dashboard, o.Setup)
	}
}

func (o *Outcome) goals(w io.Writer) {
	var detected, blocked []time.Duration
	for _, r := range o.Results {
		if r.DetectedBy != "" && r.Through > 0 {
			detected = append(detected, r.Detected)
		}
		blocked = append(blocked, r.Blocked)
	}
	dm, dw := spread(detected)
	bm, bw := spread(blocked)
	fmt.Fprintf(w, "detected after: median %d ms, worst %d ms (goal %d); blocked after: median %d ms, worst %d ms (goal %d)\n",
		dm.Milliseconds(), dw.Milliseconds(), DetectGoal.Milliseconds(), bm.Milliseconds(), bw.Milliseconds(), BlockGoal.Milliseconds())
}
