package corpus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// explained are things that are found rightly, or wrongly for a known reason, by
// what records say of them.
var explained = map[string]string{
	"address 198.235.24.39 (address)": "scans this machine for BACnet",
	"address 64.62.197.166 (address)": "scans this machine for BACnet",
	"address 64.62.197.26 (address)":  "scans this machine for BACnet",
	"address 65.49.20.98 (address)":   "scans this machine for BACnet",
}

// TestNoFalseAlarmsInTraffic looks for everything that the corpus' feeds list in
// the captures of ordinary traffic: devices that are set up, industrial control
// and the many protocols of nDPI. At the default threshold nothing may be found.
func TestNoFalseAlarmsInTraffic(t *testing.T) {
	dir := folder(t, "reputation")
	l := ledger.New(ledger.Config{})
	for _, x := range lists(t, dir) {
		importList(t, l, x, func(*reputation.Claim) {})
	}
	set, err := listed.FromLedger(l, importTime, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	hits, traffic := map[string][]string{}, folder(t, "pcap")
	files := captures(t, filepath.Join(traffic, "ndpi"), filepath.Join(traffic, "ics"), filepath.Join(traffic, "iot-sentinel"))
	for _, file := range files {
		for _, h := range met(t, file, set) {
			hits[h] = append(hits[h], filepath.Base(file))
		}
	}
	t.Logf("%d things looked for in %d captures", set.Len(), len(files))
	for _, h := range slices.Sorted(maps.Keys(hits)) {
		if why, ok := explained[h]; ok {
			t.Logf("%s in %q: %s", h, hits[h], why)
		} else {
			t.Errorf("false alarm: %s in %q", h, hits[h])
		}
	}
}

// met gives what of the set is in a capture.
func met(t *testing.T, path string, set *edge.Set) (out []string) {
	t.Helper()
	dir := t.TempDir()
	_, err := offline.Run(context.Background(), offline.Request{Capture: path, Out: dir, Listed: set, Least: edge.LeastTier(reputation.DefaultBlock),
		NoChecksums: true, Warn: func(string, ...any) {}, Set: []string{"outputs.0.eve-log.enabled=yes", "outputs.0.eve-log.types.0=reputation"}})
	if err != nil {
		t.Logf("%s: %v", path, err)
		return nil
	}
	eve, err := os.ReadFile(filepath.Join(dir, "eve.json"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(eve) {
		var r struct {
			Reputation struct{ Type, Value, Where string }
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if h := r.Reputation; h.Type != "" {
			out = append(out, h.Type+" "+h.Value+" ("+h.Where+")")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
