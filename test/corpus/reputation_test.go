package corpus_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/index"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// importTime is when the feeds are read; any time would do.
const importTime = 1_790_000_000

// list is one feed of the corpus and the files that it is made of.
type list struct {
	source reputation.Source
	format string
	files  []string
}

// lists are all feeds of the corpus as an operator would name them, warninglists
// first: trails and IPsum at a trust at which a single sure entry is blocked.
func lists(t testing.TB, dir string) []list {
	var out []list
	warn, _ := filepath.Glob(filepath.Join(dir, "misp-warninglists", "*", "list.json"))
	for _, f := range warn {
		name := "misp-" + filepath.Base(filepath.Dir(f))
		out = append(out, list{reputation.Source{Name: name, Owner: "misp-warninglists", Trust: 90}, "warninglist", []string{f}})
	}
	trails, _ := filepath.Glob(filepath.Join(dir, "maltrail", "malware", "*.txt"))
	if len(trails) == 0 || len(warn) == 0 {
		t.Fatalf("%s: parts of the corpus are missing", dir)
	}
	return append(out,
		list{reputation.Source{Name: "maltrail", Owner: "maltrail", Trust: 90}, "maltrail", trails},
		list{reputation.Source{Name: "maltrail-scanners", Owner: "maltrail", Trust: 90, Kind: reputation.KindScanner}, "maltrail",
			[]string{filepath.Join(dir, "maltrail", "mass_scanner.txt")}},
		list{reputation.Source{Name: "ipsum", Owner: "ipsum", Trust: 95, Kind: reputation.KindBot}, "ipsum", []string{filepath.Join(dir, "ipsum.txt")}})
}

// tally counts what came of one feed.
type tally struct{ read, refused, stored int }

// importList reads a feed into the ledger.
func importList(t testing.TB, l *ledger.Ledger, x list, each func(*reputation.Claim)) (tally, ledger.Change) {
	t.Helper()
	var n tally
	x.source.ID = l.Source(x.source)
	m, err := l.Import(x.source.ID, importTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range x.files {
		claims(t, x, file, func(c *reputation.Claim, err error) {
			n.read++
			if err == nil && c != nil {
				if err = m.Add(c); err == nil {
					each(c)
				}
			}
			var bad *ledger.Refusal
			if errors.As(err, &bad) || c == nil {
				n.refused++
			} else if err != nil {
				t.Fatal(err)
			}
		})
	}
	change := m.Change()
	m.Commit()
	n.stored = change.After
	return n, change
}

// claims calls yield for each entry of a file; a refused one has no claim.
func claims(t testing.TB, x list, file string, yield func(*reputation.Claim, error)) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name := strings.TrimSuffix(filepath.Base(file), ".txt")
	r, err := feed.Open(x.format, f, feed.Options{Source: x.source, Now: importTime, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	var c reputation.Claim
	for {
		err := r.Next(&c)
		var bad *feed.Refusal
		switch {
		case err == io.EOF:
			return
		case errors.As(err, &bad):
			yield(nil, err)
		case err != nil:
			t.Fatalf("%s: %v", file, err)
		default:
			yield(&c, nil)
		}
	}
}

// TestNoFalseAlarms imports all feeds of the corpus and asks for everything that
// must not be listed: no score may reach the default block.
func TestNoFalseAlarms(t *testing.T) {
	dir := folder(t, "reputation")
	l := ledger.New(ledger.Config{})
	var good []reputation.Object
	var total tally
	bad := map[reputation.Object]bool{}
	start := time.Now()
	for _, x := range lists(t, dir) {
		n, change := importList(t, l, x, func(c *reputation.Claim) {
			if c.Kind == reputation.KindBenign || c.Kind == reputation.KindKnown {
				good = append(good, c.Object)
			} else {
				bad[c.Object] = true
			}
		})
		total.read, total.refused, total.stored = total.read+n.read, total.refused+n.refused, total.stored+n.stored
		if x.format != "warninglist" {
			t.Logf("%s: %d read, %d refused, %d stored; %d are or hold something benign, %d lie inside", x.source.Name, n.read, n.refused,
				change.After, change.Benign, change.Inside)
			if change.Benign*1000 > change.After {
				t.Errorf("%s would be held back: %+v", x.source.Name, change)
			}
		}
	}
	t.Logf("%d entries read, %d refused, %d stored of %d objects in %v, %d bytes", total.read, total.refused, total.stored, l.Size(),
		time.Since(start).Round(time.Millisecond), l.Bytes())
	x := build(t, l)
	for _, o := range good {
		ask(t, l, x, o)
		for _, a := range samples(o) {
			ask(t, l, x, a)
		}
	}
	blocked := 0
	for o := range bad {
		if l.Brief(o, importTime).Score >= reputation.DefaultBlock {
			blocked++
		}
	}
	t.Logf("of %d objects that are listed as bad, %d are blocked by default", len(bad), blocked)
	if blocked < len(bad)/2 {
		t.Errorf("only %d of %d bad objects are blocked: the feeds have lost their voice", blocked, len(bad))
	}
}

// ask fails the test when an object would be blocked by the ledger or the index.
func ask(t *testing.T, l *ledger.Ledger, x *index.Index, o reputation.Object) {
	t.Helper()
	b := l.Brief(o, importTime)
	if b.Score >= reputation.DefaultBlock {
		t.Errorf("false alarm: %s", l.Explain(o, importTime).Words)
	}
	if got, _ := x.Object(o); got.Score != b.Score {
		t.Errorf("%s: the ledger says %+v, the index %+v", o, b, got)
	}
}

// samples are addresses of a prefix: its first and last few, and some between.
func samples(o reputation.Object) []reputation.Object {
	if o.Type != reputation.TypePrefix || o.Prefix.IsSingleIP() {
		return nil
	}
	var out []reputation.Object
	add := func(a netip.Addr) {
		if o.Prefix.Contains(a) {
			out = append(out, reputation.Object{Type: reputation.TypePrefix, Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
	}
	first := o.Prefix.Addr()
	bytes := first.AsSlice()
	for i := range 64 {
		for k := o.Prefix.Bits(); k < 8*len(bytes); k++ {
			if (uint64(i+1)*0x9e3779b97f4a7c15)>>(k%61)&1 != 0 {
				bytes[k/8] ^= 0x80 >> (k % 8)
			}
		}
		a, _ := netip.AddrFromSlice(bytes)
		add(a)
	}
	add(first)
	add(first.Next())
	return out
}

func build(t testing.TB, l *ledger.Ledger) *index.Index {
	t.Helper()
	b := index.NewBuilder(l.Size())
	l.Each(importTime, func(o reputation.Object, brief reputation.Brief) bool {
		if err := b.Add(o, brief); err != nil {
			t.Errorf("%s: %v", o, err)
		}
		return true
	})
	x, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// BenchmarkImportCorpus measures a claim's way from a file into the ledger and its
// score, on one core.
func BenchmarkImportCorpus(b *testing.B) {
	dir := folder(b, "reputation")
	all := lists(b, dir)
	n := 0
	began := cpu()
	for b.Loop() {
		l := ledger.New(ledger.Config{})
		for _, x := range all {
			c, _ := importList(b, l, x, func(*reputation.Claim) {})
			n += c.read
		}
		l.Each(importTime, func(reputation.Object, reputation.Brief) bool { return true })
	}
	b.ReportMetric(float64(n)/(cpu()-began), "entries/cpu-s")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
	runtime.KeepAlive(all)
}

// cpu is the processor time that the process has used, in seconds: on a machine
// with other work it says more than the clock.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// TestNewNeighbours leaves a tenth of the trails' addresses out, as if they were
// listed tomorrow only, and says how many of them are seen beforehand, and how
// many good addresses with them.
func TestNewNeighbours(t *testing.T) {
	dir := folder(t, "reputation")
	l := ledger.New(ledger.Config{})
	var later, good []reputation.Object
	held := func(o reputation.Object) bool {
		a := o.Prefix.Addr()
		if o.Type != reputation.TypePrefix || !a.Is4() || !o.Prefix.IsSingleIP() {
			return false
		}
		b := a.As4()
		return (uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))*2654435761>>16%10 == 0
	}
	seen := map[reputation.Object]bool{}
	for _, x := range lists(t, dir) {
		x.source.ID = l.Source(x.source)
		m, err := l.Import(x.source.ID, importTime)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range x.files {
			claims(t, x, file, func(c *reputation.Claim, _ error) {
				switch {
				case c == nil:
				case x.source.Name != "maltrail" || !held(c.Object):
					if c.Kind <= reputation.KindKnown && c.Object.Type == reputation.TypePrefix {
						good = append(good, c.Object)
					}
					_ = m.Add(c)
				case !seen[c.Object]:
					seen[c.Object] = true
					later = append(later, c.Object)
				}
			})
		}
		m.Commit()
	}
	crowd, err := l.Import(l.Source(ledger.Crowd()), importTime)
	if err != nil {
		t.Fatal(err)
	}
	nets := l.Crowded(importTime)
	for i := range nets {
		if err := crowd.Add(&nets[i]); err != nil {
			t.Fatal(err)
		}
	}
	crowd.Commit()
	count := func(list []reputation.Object, least uint8) (n int) {
		for _, o := range list {
			if l.Brief(o, importTime).Score >= least {
				n++
			}
		}
		return n
	}
	t.Logf("%d crowded networks; of %d addresses listed later %d score 20 or more, %d 50 or more, %d are blocked; of %d good ones %d score 20 or more, %d are blocked",
		len(nets), len(later), count(later, 20), count(later, 50), count(later, reputation.DefaultBlock), len(good), count(good, 20), count(good, reputation.DefaultBlock))
	if n := count(good, reputation.DefaultBlock); n > 0 {
		t.Errorf("%d good addresses are blocked", n)
	}
	if count(later, 20)*5 < len(later) {
		t.Error("the neighbourhood tells less than a fifth")
	}
}
