package effect

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/console/rest"
	intel "github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

const (
	// keptDays is for how many days hits are kept.
	keptDays = 31
	// maxDayObjects is how many different objects are counted one by one in a day.
	maxDayObjects = 1000
	// maxDaySources bounds the sources of a day, should sources come and go.
	maxDaySources = 1000
	// shownObjects is how many objects are shown.
	shownObjects = 100

	hitsPrefix  = "hits-" // of the file of a day
	hitsVersion = 1
	dateLayout  = "2006-01-02"
)

// dayHits is what was met on one day (UTC), and a file of the folder.
type dayHits struct {
	Version  int                    `json:"version"`
	Date     string                 `json:"date"`
	Sources  map[string]*sourceHits `json:"sources"`
	Objects  map[string]*objectHits `json:"objects"`
	All      rest.ReputationDayHits `json:"all"`
	Unlisted rest.ReputationDayHits `json:"unlisted"`
}

type sourceHits struct {
	rest.ReputationDayHits
	Devices sketch    `json:"devices"`
	Objects sketch    `json:"objects"`
	Last    time.Time `json:"last"`
}

type objectHits struct {
	rest.ReputationDayHits
	Devices sketch     `json:"devices"`
	Kind    intel.Kind `json:"kind"`
	Score   uint8      `json:"score"`
	Sources []string   `json:"sources"`
	Last    time.Time  `json:"last"`
}

// loadHits reads the days that are kept; one that cannot be read is left out.
func (f *Watch) loadHits() {
	names, _ := filepath.Glob(f.dir.Path(hitsPrefix + "*.json")) // the pattern is right
	slices.Sort(names)
	oldest := f.oldest()
	for _, name := range names {
		base := filepath.Base(name)
		if date := strings.TrimSuffix(strings.TrimPrefix(base, hitsPrefix), ".json"); date < oldest {
			_ = os.Remove(name) // it is tried again at the next start
			continue
		}
		d := &dayHits{}
		if err := f.dir.ReadJSON(base, d); err != nil || !d.sound() {
			f.log.Error("reputation: the hits of a day cannot be read and are left out", "file", name, "error", err)
			continue
		}
		f.days = append(f.days, d)
	}
	slices.SortFunc(f.days, func(a, b *dayHits) int { return cmp.Compare(a.Date, b.Date) })
}

// sound says whether a file holds what this version writes.
func (d *dayHits) sound() bool {
	_, err := time.Parse(dateLayout, d.Date)
	if err != nil || d.Version != hitsVersion || d.Sources == nil || d.Objects == nil ||
		len(d.Sources) > maxDaySources || len(d.Objects) > maxDayObjects {
		return false
	}
	for _, s := range d.Sources {
		if s == nil || len(s.Devices) != sourceSketch || len(s.Objects) != sourceSketch {
			return false
		}
	}
	for _, o := range d.Objects {
		if o == nil || len(o.Devices) != objectSketch {
			return false
		}
	}
	return true
}

// oldest is the first date that is kept.
func (f *Watch) oldest() string {
	return f.now().UTC().AddDate(0, 0, 1-keptDays).Format(dateLayout)
}

// today gives the counts of this day. A clock that was ahead may have left later
// days behind: they stay where they are. The caller holds mu.
func (f *Watch) today() *dayHits {
	date := f.now().UTC().Format(dateLayout)
	at, found := slices.BinarySearchFunc(f.days, date, func(d *dayHits, date string) int { return cmp.Compare(d.Date, date) })
	if found {
		if d := f.days[at]; d != f.written {
			f.writeDay() // the last counts of the day before
			f.written = d
		}
		return f.written
	}
	f.writeDay()
	for oldest := f.oldest(); len(f.days) > 0 && f.days[0].Date < oldest; f.days = f.days[1:] {
		_ = os.Remove(f.dir.Path(hitsPrefix + f.days[0].Date + ".json")) // it is tried again at the next start
		at--
	}
	d := &dayHits{Version: hitsVersion, Date: date, Sources: map[string]*sourceHits{}, Objects: map[string]*objectHits{}}
	f.days, f.written = slices.Insert(f.days, max(at, 0), d), d
	if len(f.days) > 2*keptDays { // a clock that jumps about
		f.days = slices.DeleteFunc(f.days, func(one *dayHits) bool { return one.Date > date })
	}
	return d
}

// writeDay writes the counts of the day that is counted, if there are new ones.
// The caller holds mu.
func (f *Watch) writeDay() {
	if !f.dirty || f.written == nil {
		return
	}
	if err := f.dir.WriteJSON(hitsPrefix+f.written.Date+".json", f.written); err != nil {
		f.log.Error("reputation: the hits of a day are not written", "error", err)
		return
	}
	f.dirty = false
}

// hit counts an event for each source that lists its object.
func (f *Watch) hit(o intel.Object, e *model.Event) {
	v := f.known.Explain(o)
	sources := against(&v)
	n := rest.ReputationDayHits{Seen: uint64(max(e.Count, 1))}
	if e.Kind == model.KindListedBlocked {
		n.Seen, n.Blocked = 0, n.Seen
	}
	now, name := f.now().UTC(), v.Match.String()
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.today()
	f.dirty = true
	addHits(&d.All, n)
	if len(sources) == 0 {
		addHits(&d.Unlisted, n)
		return
	}
	for _, source := range sources {
		d.source(source).met(n, e.Device, name, now)
	}
	if x := d.object(name); x != nil {
		addHits(&x.ReputationDayHits, n)
		x.Devices.add(string(e.Device))
		x.Kind, x.Score, x.Sources, x.Last = v.Kind, v.Score, sources, now
	}
}

func addHits(to *rest.ReputationDayHits, n rest.ReputationDayHits) {
	to.Seen += n.Seen
	to.Blocked += n.Blocked
}

// against are the sources that speak against an object.
func against(v *intel.Verdict) (out []string) {
	for _, r := range v.Reasons {
		if r.Kind > intel.KindKnown && !slices.Contains(out, r.Source) {
			out = append(out, r.Source)
		}
	}
	return out
}

func (d *dayHits) source(name string) *sourceHits {
	x := d.Sources[name]
	if x == nil {
		x = &sourceHits{Devices: make(sketch, sourceSketch), Objects: make(sketch, sourceSketch)}
		if len(d.Sources) < maxDaySources {
			d.Sources[name] = x
		}
	}
	return x
}

// object gives an object's counts; nil when there are too many in a day.
func (d *dayHits) object(name string) *objectHits {
	x := d.Objects[name]
	if x == nil && len(d.Objects) < maxDayObjects {
		x = &objectHits{Devices: make(sketch, objectSketch)}
		d.Objects[name] = x
	}
	return x
}

func (x *sourceHits) met(n rest.ReputationDayHits, device model.DeviceID, object string, now time.Time) {
	addHits(&x.ReputationDayHits, n)
	x.Devices.add(string(device))
	x.Objects.add(object)
	x.Last = now
}

// Hits implements the console's ReputationEffect.
func (f *Watch) Hits(days int) rest.ReputationHits {
	days = min(max(days, 1), keptDays)
	now := f.now().UTC()
	out := rest.ReputationHits{Lost: f.lost.Load()}
	at := map[string]int{}
	for i := range days {
		date := now.AddDate(0, 0, i+1-days).Format(dateLayout)
		out.Days, at[date] = append(out.Days, date), i
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	sources, objects := map[string]*sourceSum{}, map[string]*objectHits{}
	for _, d := range f.days {
		i, ok := at[d.Date]
		if !ok {
			continue
		}
		addHits(&out.All, d.All)
		addHits(&out.Unlisted, d.Unlisted)
		for name, x := range d.Sources {
			sumSource(sources, name, days).take(i, x)
		}
		for name, x := range d.Objects {
			sumObject(objects, name, x)
		}
	}
	out.Sources = f.sourceHits(sources, days)
	out.Objects = topObjects(objects)
	return out
}

// sourceSum joins the days of a source.
type sourceSum struct {
	devices, objects sketch
	out              rest.ReputationSourceHits
}

func sumSource(all map[string]*sourceSum, name string, days int) *sourceSum {
	x := all[name]
	if x == nil {
		x = &sourceSum{devices: make(sketch, sourceSketch), objects: make(sketch, sourceSketch)}
		x.out.Source, x.out.ByDay = name, make([]rest.ReputationDayHits, days)
		all[name] = x
	}
	return x
}

func (x *sourceSum) take(day int, d *sourceHits) {
	x.out.Seen += d.Seen
	x.out.Blocked += d.Blocked
	x.out.ByDay[day] = d.ReputationDayHits
	x.devices.join(d.Devices)
	x.objects.join(d.Objects)
	if d.Last.After(x.out.Last) {
		x.out.Last = d.Last
	}
}

func sumObject(all map[string]*objectHits, name string, d *objectHits) {
	x := all[name]
	if x == nil {
		x = &objectHits{Devices: make(sketch, objectSketch)}
		all[name] = x
	}
	addHits(&x.ReputationDayHits, d.ReputationDayHits)
	x.Devices.join(d.Devices)
	if !d.Last.Before(x.Last) {
		x.Kind, x.Score, x.Sources, x.Last = d.Kind, d.Score, d.Sources, d.Last
	}
}

// sourceHits completes the sums by what is known of the sources, and adds those
// of which people reported something. The caller holds mu.
func (f *Watch) sourceHits(sums map[string]*sourceSum, days int) []rest.ReputationSourceHits {
	records := f.reports.records()
	for name := range records {
		sumSource(sums, name, days)
	}
	for _, src := range f.known.Sources() {
		if x := sums[src.Name]; x != nil {
			x.out.Owner, x.out.Trust = src.Owner, src.Trust
		}
	}
	out := make([]rest.ReputationSourceHits, 0, len(sums))
	for name, x := range sums {
		x.out.Devices, x.out.Objects = x.devices.count(), x.objects.count()
		x.out.Record = records[name]
		x.out.Record.Advised = advised(x.out.Trust, x.out.Objects, x.out.Record.Accepted)
		out = append(out, x.out)
	}
	slices.SortFunc(out, func(a, b rest.ReputationSourceHits) int {
		return cmp.Or(cmp.Compare(b.Seen+b.Blocked, a.Seen+a.Blocked), cmp.Compare(a.Source, b.Source))
	})
	return out
}

func topObjects(all map[string]*objectHits) []rest.ReputationObjectHits {
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		x, y := all[a], all[b]
		return cmp.Or(cmp.Compare(y.Seen+y.Blocked, x.Seen+x.Blocked), cmp.Compare(a, b))
	})
	out := []rest.ReputationObjectHits{}
	for _, name := range names[:min(len(names), shownObjects)] {
		x := all[name]
		out = append(out, rest.ReputationObjectHits{Object: name, Kind: x.Kind, Score: x.Score, Seen: x.Seen, Blocked: x.Blocked,
			Devices: x.Devices.count(), Sources: slices.Clone(x.Sources), Last: x.Last})
	}
	return out
}

// trustWeighs is how many objects the trust that the operator set counts like.
const trustWeighs = 20

// advised is the trust that a source's record speaks for: the share of what it
// was right about, where the operator's trust counts like trustWeighs objects.
// Without a false alarm it is the trust in force; it is never above it.
func advised(trust uint8, objects, wrong int) uint8 {
	if wrong == 0 {
		return trust
	}
	objects = max(objects, wrong)
	right := float64(trustWeighs)*float64(trust)/100 + float64(objects-wrong)
	return min(trust, uint8(100*right/float64(trustWeighs+objects)+0.5))
}
