package inline

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// Loaded is what came of loading the rules.
type Loaded struct {
	At      time.Time     `json:"at"`
	Files   int           `json:"files"`
	Rules   int           `json:"rules"`
	Refused int           `json:"refused"`
	Took    time.Duration `json:"took_ns"`
	MiB     float64       `json:"mib"` // that the heap grew by
}

// maxRefusalsLogged is how many refused rules one load tells one by one.
const maxRefusalsLogged = 20

// compile reads and compiles the rules of a configuration, and logs what came
// of it.
func compile(c *Config) (*rule.Set, Loaded, error) {
	before := liveHeap()
	began := time.Now()
	files, err := c.files()
	if err != nil {
		return nil, Loaded{}, fmt.Errorf("inspection rules: %w", err)
	}
	set, refusals, err := offline.CompileRules(files, c.settings())
	if err != nil {
		return nil, Loaded{}, fmt.Errorf("inspection rules: %w", err)
	}
	l := Loaded{At: began, Files: len(files), Rules: len(set.Rules()), Refused: len(refusals), Took: time.Since(began)}
	l.MiB = max(0, float64(liveHeap())-float64(before)) / (1 << 20)
	for i, r := range refusals {
		if i == maxRefusalsLogged {
			c.Log.Warn("more rules refused; masugata-gate rules check tells all", "count", len(refusals)-i)
			break
		}
		c.Log.Warn("rule refused", "file", r.File, "line", r.Line, "column", r.Column, "rule", r.SID, "problem", r.Problem)
	}
	c.Log.Info("rules loaded", "files", l.Files, "rules", l.Rules, "refused", l.Refused,
		"milliseconds", l.Took.Milliseconds(), "mib", fmt.Sprintf("%.1f", l.MiB))
	return set, l, nil
}

// liveHeap is the bytes that are in use.
func liveHeap() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
