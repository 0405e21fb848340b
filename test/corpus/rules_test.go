package corpus_test

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Bounds of a capture's run beside the rules, which all runs share: bytes of
// heap in use after it, with its engine still alive, and time.
const (
	maxHeap    = 192 << 20
	maxTime    = 2 * time.Minute
	sampleSize = 40       // captures without MASUGATA_LONG
	sampleMost = 64 << 10 // bytes of each
)

// TestEveryCaptureWithEveryRule inspects each capture of the corpus with every
// rule loaded and every record written. A quick run takes a sample.
func TestEveryCaptureWithEveryRule(t *testing.T) {
	rules, err := filepath.Glob(filepath.Join(folder(t, "rules/et-open"), "*.rules"))
	if err != nil {
		t.Fatal(err)
	}
	if !long() {
		rules = rules[:min(len(rules), 12)]
	}
	set, refused, err := offline.CompileRules(rules, engine.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	files := captures(t, folder(t, "pcap"), folder(t, "suricata-verify"))
	if !long() {
		files = sample(files)
	}
	base := heap()
	t.Logf("%d rules, %d refused, %d MB of heap; %d captures", len(set.Rules()), len(refused), base>>20, len(files))
	var frames, most uint64
	for _, path := range files {
		n, used := inspectAll(t, set, path)
		frames += n
		if used > base && used-base > most {
			most = used - base
		}
		if used > base+maxHeap {
			t.Errorf("%s: %d MB of heap beside the rules, more than %d", path, (used-base)>>20, maxHeap>>20)
		}
	}
	t.Logf("%d frames; at most %d MB of heap beside the rules", frames, most>>20)
}

// inspectAll runs one capture and gives its frames and the heap in use while
// the engine is still there.
func inspectAll(t *testing.T, set *rule.Set, path string) (frames, used uint64) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: %v\n%s", path, r, debug.Stack())
		}
	}()
	began := time.Now()
	cfg := setUp(t, set, engine.Settings{"stream.midstream": "true"})
	w := bufio.NewWriter(io.Discard)
	records := engine.NewRecords(w, engine.RecordOptions{Payload: true, Printable: true, Packet: true})
	cfg.Sink = records
	n, e := run(t, cfg, path)
	if took := time.Since(began); took > maxTime {
		t.Errorf("%s: took %v, more than %v", path, took, maxTime)
	}
	if err := records.Err(); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	used = heap()
	runtime.KeepAlive(e)
	return n, used
}

// sample takes small captures evenly from all.
func sample(files []string) []string {
	var small []string
	for _, path := range files {
		if s, err := os.Stat(path); err == nil && s.Size() <= sampleMost {
			small = append(small, path)
		}
	}
	if len(small) <= sampleSize {
		return small
	}
	var out []string
	for i := range sampleSize {
		out = append(out, small[i*len(small)/sampleSize])
	}
	return out
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
