package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/model"
)

func element(n uint64, size int) []byte {
	b := make([]byte, max(size, 8))
	binary.LittleEndian.PutUint64(b, n)
	return b
}

func open(t testing.TB, dir string, maxBytes int64) *Spool {
	t.Helper()
	s, err := Open(Config{Dir: dir, MaxBytes: maxBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func put(t testing.TB, s *Spool, sev model.Severity, n uint64) {
	t.Helper()
	if err := s.Put(sev, element(n, 8)); err != nil {
		t.Fatal(err)
	}
}

// numbers splits a batch of 8-byte elements.
func numbers(b []byte) (out []uint64) {
	for ; len(b) >= 8; b = b[8:] {
		out = append(out, binary.LittleEndian.Uint64(b))
	}
	return out
}

func next(t testing.TB, s *Spool, l Lane, maxEvents int) (Batch, []uint64) {
	t.Helper()
	b, ok, err := s.Next(l, maxEvents, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return Batch{}, nil
	}
	return b, numbers(b.Events)
}

func TestOrderOfImportance(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	for i := range uint64(10) {
		put(t, s, model.Severity(i%5), i)
	}
	b, got := next(t, s, Urgent, 3)
	if want := "[4 9 3]"; fmt.Sprint(got) != want || b.Seq != 1 || b.Count != 3 {
		t.Errorf("first urgent batch %v seq %d, want %s seq 1", got, b.Seq, want)
	}
	_, again := next(t, s, Urgent, 100)
	if fmt.Sprint(again) != fmt.Sprint(got) {
		t.Errorf("unacknowledged batch changed: %v, then %v", got, again)
	}
	s.Ack(Urgent, b.Epoch, b.Seq)
	b2, got := next(t, s, Urgent, 100)
	if fmt.Sprint(got) != "[8]" || b2.Seq != 2 || b2.Epoch != b.Epoch {
		t.Errorf("second urgent batch %v seq %d epoch same %v", got, b2.Seq, b2.Epoch == b.Epoch)
	}
	n, got := next(t, s, Normal, 100)
	if fmt.Sprint(got) != "[2 7 1 6 0 5]" || n.Seq != 1 || n.Epoch == b.Epoch {
		t.Errorf("normal batch %v seq %d", got, n.Seq)
	}
	if st := s.Stats(); st.Waiting != 7 {
		t.Errorf("waiting %d, want 7 unacknowledged", st.Waiting)
	}
	s.Ack(Urgent, b2.Epoch, b2.Seq)
	s.Ack(Normal, n.Epoch, n.Seq)
	if st := s.Stats(); st.Waiting != 0 || s.Waiting(Urgent) || s.Waiting(Normal) {
		t.Errorf("waiting %d after all was acknowledged", st.Waiting)
	}
}

func TestByteLimitKeepsOrder(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	if err := s.Put(model.SeverityCritical, element(1, 8)); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(model.SeverityCritical, element(2, 1000)); err != nil {
		t.Fatal(err)
	}
	put(t, s, model.SeverityHigh, 3)
	b, _, err := s.Next(Urgent, 10, 100)
	if err != nil || b.Count != 1 {
		t.Fatalf("batch of %d events (%v), want 1: the second is too large and the third less important", b.Count, err)
	}
	s.Ack(Urgent, b.Epoch, b.Seq)
	if b, _, _ = s.Next(Urgent, 10, 100); b.Count != 1 || len(b.Events) != 1000 {
		t.Errorf("large event alone: got %d events of %d bytes", b.Count, len(b.Events))
	}
}

func TestReopenResendsThenContinues(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	for i := range uint64(5) {
		put(t, s, model.SeverityLow, i)
	}
	first, _ := next(t, s, Normal, 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	put(t, s, model.SeverityLow, 5)
	again, got := next(t, s, Normal, 100)
	if again.Seq != first.Seq || again.Epoch != first.Epoch || fmt.Sprint(got) != "[0 1]" {
		t.Fatalf("after reopening: batch %v seq %d, want [0 1] seq %d", got, again.Seq, first.Seq)
	}
	if st := s.Stats(); st.Waiting != 6 {
		t.Errorf("waiting %d, want 6", st.Waiting)
	}
	s.Ack(Normal, again.Epoch, again.Seq)
	if b, got := next(t, s, Normal, 100); fmt.Sprint(got) != "[2 3 4 5]" || b.Seq != first.Seq+1 || b.Epoch != first.Epoch {
		t.Errorf("next batch %v seq %d", got, b.Seq)
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, 0)
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("the same folder was opened twice")
	}
}

func TestBoundDropsLeastImportantOldestFirst(t *testing.T) {
	s := open(t, t.TempDir(), minBytes)
	const n, size = 1200, 1000
	for i := range uint64(n) {
		sev := model.SeverityInfo
		if i%4 == 0 {
			sev = model.SeverityMedium
		}
		if i%40 == 1 {
			sev = model.SeverityHigh
		}
		if err := s.Put(sev, element(i, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Bytes > minBytes || st.Dropped == 0 || st.Waiting+st.Dropped != n {
		t.Fatalf("bytes %d of %d, dropped %d, waiting %d, want their sum %d", st.Bytes, minBytes, st.Dropped, st.Waiting, n)
	}
	high, _, err := s.Next(Urgent, n, 1<<20)
	if err != nil || high.Count != n/40 {
		t.Errorf("%d of %d high events left (%v), want all", high.Count, n/40, err)
	}
	normal, _, err := s.Next(Normal, n, 1<<20)
	if err != nil || uint64(normal.Count+high.Count) != st.Waiting {
		t.Errorf("%d normal events (%v), waiting was %d", normal.Count, err, st.Waiting)
	}
	// Info events are only left in the room that dropping the last segment
	// made; of the medium ones the newest are left.
	info, last := 0, uint64(0)
	for i := range normal.Count {
		v := binary.LittleEndian.Uint64(normal.Events[i*size:])
		if v%4 != 0 {
			info++
			continue
		}
		last = max(last, v)
	}
	if info > minSegment/size {
		t.Errorf("%d info events were kept while medium ones were dropped", info)
	}
	if last != n-4 {
		t.Errorf("newest medium event kept is %d, want %d", last, n-4)
	}
}

func TestDropSparesBatchInFlight(t *testing.T) {
	s := open(t, t.TempDir(), minBytes)
	for i := range uint64(50) {
		_ = s.Put(model.SeverityInfo, element(i, 1000))
	}
	b, _, err := s.Next(Normal, 10, 1<<20)
	if err != nil || b.Count != 10 {
		t.Fatal(b.Count, err)
	}
	want := bytes.Clone(b.Events)
	for i := range uint64(1000) {
		_ = s.Put(model.SeverityInfo, element(1000+i, 1000))
	}
	b, _, err = s.Next(Normal, 10, 1<<20)
	if err != nil || !bytes.Equal(b.Events, want) {
		t.Errorf("batch in flight changed when the spool overflowed (%v)", err)
	}
}

func TestTornTailIsCutOff(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	for i := range uint64(10) {
		put(t, s, model.SeverityLow, i)
	}
	_ = s.Close()
	seg, _ := filepath.Glob(filepath.Join(dir, "e1-*"))
	if len(seg) != 1 {
		t.Fatal(seg)
	}
	info, _ := os.Stat(seg[0])
	if err := os.Truncate(seg[0], info.Size()-3); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	put(t, s, model.SeverityLow, 99)
	if _, got := next(t, s, Normal, 100); fmt.Sprint(got) != "[0 1 2 3 4 5 6 7 8 99]" {
		t.Errorf("after a torn record: %v", got)
	}
}

func TestRestartOfTheMachineBeginsAnEpoch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	put(t, s, model.SeverityLow, 1)
	put(t, s, model.SeverityLow, 2)
	first, _ := next(t, s, Normal, 1)
	s.lanes[Normal].last.boot[0] ^= 1 // as if another kernel had written it
	if _, err := s.lanes[Normal].file.WriteAt(s.lanes[Normal].last.append(nil), int64(s.lanes[Normal].last.gen%2)*slotSize); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, dir, 0)
	b, got := next(t, s, Normal, 10)
	if b.Epoch != first.Epoch || fmt.Sprint(got) != "[1]" {
		t.Errorf("batch in flight: epoch changed or content %v", got)
	}
	s.Ack(Normal, b.Epoch, b.Seq)
	if b, _ = next(t, s, Normal, 10); b.Epoch == first.Epoch || b.Seq != 1 {
		t.Errorf("new batch after a restart of the machine: same epoch, seq %d", b.Seq)
	}
}

// TestSIGKILL kills a child that fills and drains a spool, many times, and
// checks what a control plane would have stored: each event that was known to
// be written comes exactly once, in order within its class.
func TestSIGKILL(t *testing.T) {
	if dir := os.Getenv("SPOOL_CHILD"); dir != "" {
		spoolChild(dir)
		return
	}
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	dir := t.TempDir()
	sink := newOracle(t)
	var written uint64 // events the child had flushed
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSIGKILL$")
		cmd.Env = append(os.Environ(), "SPOOL_CHILD="+dir, fmt.Sprintf("SPOOL_FROM=%d", uint64(round+1)<<32))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		in, _ := cmd.StdinPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(time.Duration(5+round*7%40)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		written += sink.serve(t, out, in)
		stop.Stop()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	s := open(t, dir, 0)
	for l := range numLanes {
		for {
			b, ok, err := s.Next(l, 1000, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			sink.store(b.Epoch, b.Seq, b.Events)
			s.Ack(l, b.Epoch, b.Seq)
		}
	}
	if s.Stats().Dropped != 0 {
		t.Errorf("dropped %d", s.Stats().Dropped)
	}
	sink.check(t, written)
	t.Logf("%d kills, %d events flushed, %d stored, %d batches came twice", rounds, written, len(sink.seen), sink.dups)
}

// spoolChild writes events and batches until it is killed. Lines to its
// parent: "w N": event N is flushed; "b epoch seq len\n"+bytes: a batch sent;
// it then waits for one byte, the acknowledgement.
func spoolChild(dir string) {
	s, err := Open(Config{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var n uint64
	_, _ = fmt.Sscan(os.Getenv("SPOOL_FROM"), &n)
	for {
		first := n
		for range 20 {
			if err := s.Put(model.Severity(n%5), element(n, 8)); err != nil {
				os.Exit(1)
			}
			n++
		}
		if err := s.Flush(); err != nil {
			os.Exit(1)
		}
		fmt.Printf("w %d %d 0\n", first, n)
		b, ok, err := s.Next(Lane(n/20%2), 13, 1<<20)
		if err != nil {
			os.Exit(1)
		}
		if !ok {
			continue
		}
		_, _ = os.Stdout.Write(append(fmt.Appendf(nil, "b %d %d %d\n", b.Epoch, b.Seq, len(b.Events)), b.Events...))
		if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
			os.Exit(0)
		}
		s.Ack(Lane(n/20%2), b.Epoch, b.Seq)
	}
}

// oracle stores batches as the control plane does: nothing at or below the
// highest number of an epoch.
type oracle struct {
	high    map[uint64]uint64
	seen    map[uint64]int
	flushed map[uint64]bool
	dups    int
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	return &oracle{high: map[uint64]uint64{}, seen: map[uint64]int{}, flushed: map[uint64]bool{}}
}

func (o *oracle) store(epoch, seq uint64, events []byte) {
	if seq <= o.high[epoch] {
		o.dups++
		return
	}
	o.high[epoch] = seq
	for _, v := range numbers(events) {
		o.seen[v]++
	}
}

func (o *oracle) serve(t *testing.T, r io.Reader, ack io.Writer) (written uint64) {
	t.Helper()
	for {
		var kind string
		var a, b, n uint64
		if _, err := fmt.Fscanf(r, "%s %d %d %d\n", &kind, &a, &b, &n); err != nil {
			return written
		}
		if kind == "w" {
			for v := a; v < b; v++ {
				o.flushed[v] = true
			}
			written += b - a
			continue
		}
		events := make([]byte, n)
		if _, err := io.ReadFull(r, events); err != nil {
			return written
		}
		o.store(a, b, events)
		_, _ = ack.Write([]byte{1})
	}
}

func (o *oracle) check(t *testing.T, written uint64) {
	t.Helper()
	if written == 0 {
		t.Fatal("the child never got to write")
	}
	lost, twice := 0, 0
	for v := range o.flushed {
		if o.seen[v] == 0 {
			lost++
		}
	}
	for _, n := range o.seen {
		if n > 1 {
			twice++
		}
	}
	if lost > 0 || twice > 0 {
		t.Errorf("of %d flushed events %d were lost and %d stored twice", written, lost, twice)
	}
}

// TestTooLargeIsToldNotTorn: a record that would be read as torn, and hide
// what stands behind it, is not taken.
func TestTooLargeIsToldNotTorn(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	put(t, s, model.SeverityHigh, 1)
	if err := s.Put(model.SeverityHigh, make([]byte, maxRecord+1)); err == nil {
		t.Error("it was taken")
	}
	put(t, s, model.SeverityHigh, 2)
	if _, got := next(t, s, Urgent, 10); fmt.Sprint(got) != "[1 2]" || s.Stats().Dropped != 1 {
		t.Errorf("batch %v, %d dropped; want [1 2] and 1", got, s.Stats().Dropped)
	}
}
