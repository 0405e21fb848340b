package effect

import (
	"fmt"
	"slices"

	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/control/reputation/keep"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

const (
	// reportsFile keeps what people reported.
	reportsFile    = "reports.json"
	reportsVersion = 1
	// maxReports is how many reports are kept; the oldest decided ones make room
	// and stay counted.
	maxReports = 5000
)

// reportBook keeps reports of false alarms, the oldest first. Watch.mu guards it.
type reportBook struct {
	all  []rest.ReputationReport
	past map[string]rest.ReputationRecord // by source: of reports that made room
}

// keptReports is the file.
type keptReports struct {
	Version int                              `json:"version"`
	Reports []rest.ReputationReport          `json:"reports"`
	Past    map[string]rest.ReputationRecord `json:"past"`
}

// load reads the file. One that cannot be read is an error: it is people's work
// and must not be overwritten.
func (b *reportBook) load(dir keep.Folder) error {
	kept := keptReports{Version: reportsVersion}
	if err := dir.ReadJSON(reportsFile, &kept); err != nil {
		return err
	}
	if kept.Version != reportsVersion {
		return fmt.Errorf("%s is of version %d, this is a program for version %d", reportsFile, kept.Version, reportsVersion)
	}
	b.all, b.past = kept.Reports, kept.Past
	if b.past == nil {
		b.past = map[string]rest.ReputationRecord{}
	}
	return nil
}

// with gives the book with one report more or changed.
func (b *reportBook) with(r rest.ReputationReport) (reportBook, error) {
	next := reportBook{all: slices.Clone(b.all), past: b.past}
	if i := b.find(r.ID); i >= 0 {
		next.all[i] = r
		return next, nil
	}
	if len(next.all) >= maxReports {
		i := slices.IndexFunc(next.all, func(r rest.ReputationReport) bool { return r.State != rest.ReportOpen })
		if i < 0 {
			return next, fmt.Errorf("there are %d open reports; decide some: %w", maxReports, model.ErrConflict)
		}
		next.past = tally(map[string]rest.ReputationRecord{}, b.past)
		count(next.past, &next.all[i])
		next.all = slices.Delete(next.all, i, i+1)
	}
	next.all = append(next.all, r)
	return next, nil
}

func (b *reportBook) find(id model.ID) int {
	return slices.IndexFunc(b.all, func(r rest.ReputationReport) bool { return r.ID == id })
}

// records is what the reports say of each source.
func (b *reportBook) records() map[string]rest.ReputationRecord {
	out := tally(map[string]rest.ReputationRecord{}, b.past)
	for i := range b.all {
		count(out, &b.all[i])
	}
	return out
}

func tally(to, from map[string]rest.ReputationRecord) map[string]rest.ReputationRecord {
	for name, r := range from {
		to[name] = r
	}
	return to
}

// count adds a report to the records of the sources that listed its object.
func count(to map[string]rest.ReputationRecord, r *rest.ReputationReport) {
	for _, source := range r.Sources {
		x := to[source]
		switch r.State {
		case rest.ReportOpen:
			x.Open++
		case rest.ReportAccepted:
			x.Accepted++
		case rest.ReportRejected:
			x.Rejected++
		}
		to[source] = x
	}
}

// put writes the book with a report and keeps it.
func (f *Watch) put(r rest.ReputationReport) error {
	next, err := f.reports.with(r)
	if err != nil {
		return err
	}
	if err := f.dir.WriteJSON(reportsFile, keptReports{reportsVersion, next.all, next.past}); err != nil {
		return err
	}
	f.reports = next
	return nil
}

// Reports implements the console's ReputationEffect.
func (f *Watch) Reports(state string) []rest.ReputationReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []rest.ReputationReport{}
	for _, r := range slices.Backward(f.reports.all) {
		if state == "" || r.State == state {
			out = append(out, r)
		}
	}
	return out
}

// AddReport takes a report. It remembers which
// sources list the object now: the report is about them.
func (f *Watch) AddReport(r rest.ReputationReport) (rest.ReputationReport, error) {
	o, err := canon.Guess(r.Object)
	if err != nil {
		return r, fmt.Errorf("%v: %w", err, model.ErrInvalid)
	}
	v := f.known.Explain(o)
	r.Object, r.Score, r.Kind, r.Sources = o.String(), v.Score, v.Kind, against(&v)
	if len(r.Sources) == 0 {
		return r, fmt.Errorf("nothing is said against %s: %w", o, model.ErrConflict)
	}
	r.ID, r.State = model.NewID(r.Time), rest.ReportOpen
	return r, f.keepReport(r)
}

func (f *Watch) keepReport(r rest.ReputationReport) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range f.reports.all {
		if old.Object == r.Object && old.State == rest.ReportOpen {
			return fmt.Errorf("%s is reported already, by %s: %w", r.Object, old.By, model.ErrConflict)
		}
	}
	return f.put(r)
}

// DecideReport notes what came of a report.
func (f *Watch) DecideReport(id model.ID, d rest.ReputationDecision) (rest.ReputationReport, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.reports.find(id)
	if i < 0 {
		return rest.ReputationReport{}, fmt.Errorf("report %s: %w", id, model.ErrNotFound)
	}
	r := f.reports.all[i]
	switch d.State {
	case rest.ReportOpen, rest.ReportAccepted, rest.ReportRejected:
	default:
		return r, fmt.Errorf("state %q: want open, accepted or rejected: %w", d.State, model.ErrInvalid)
	}
	r.State, r.Answer, r.Decider, r.Decided = d.State, d.Note, d.By, d.Time
	r.Allow = r.Allow || d.Allow
	return r, f.put(r)
}
