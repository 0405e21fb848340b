package duckdb

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// separator stands before, between and after the observables of a row, each
// written type=value, so that a search for a whole observable is a search for
// text with separators at both ends.
const separator = "\x1f"

func appendObservables(dst []byte, list []model.Observable) []byte {
	if len(list) == 0 {
		return dst
	}
	for _, o := range list {
		dst = append(dst, separator...)
		dst = appendClean(dst, string(o.Type))
		dst = append(dst, '=')
		dst = appendClean(dst, o.Value)
	}
	return append(dst, separator...)
}

// appendClean keeps a separator in a hostile value from being one.
func appendClean(dst []byte, s string) []byte {
	from := len(dst)
	dst = append(dst, s...)
	for i := from; i < len(dst); i++ {
		if dst[i] == separator[0] {
			dst[i] = ' '
		}
	}
	return dst
}

func unpackObservables(s string) []model.Observable {
	s = strings.Trim(s, separator)
	if s == "" {
		return nil
	}
	parts := strings.Split(s, separator)
	out := make([]model.Observable, 0, len(parts))
	for _, part := range parts {
		typ, value, _ := strings.Cut(part, "=")
		out = append(out, model.Observable{Type: model.ObservableType(typ), Value: value})
	}
	return out
}

// evidence is the JSON in the column of that name.
type evidence struct {
	Flood   *model.FloodEvidence   `json:"flood,omitempty"`
	Process *model.ProcessEvidence `json:"process,omitempty"`
	File    *model.FileEvidence    `json:"file,omitempty"`
}

func packEvidence(e *model.Event) ([]byte, error) {
	if e.Flood == nil && e.Process == nil && e.File == nil {
		return nil, nil
	}
	b, err := json.Marshal(evidence{e.Flood, e.Process, e.File})
	if err != nil {
		return nil, fmt.Errorf("event store: evidence of event %s: %w", e.ID, err)
	}
	return b, nil
}

func idHalves(id model.ID) (hi, lo uint64) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
}

func idOf(hi, lo uint64) (id model.ID) {
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id
}

// selected are the columns that scanEvent reads, in its order.
const selected = "time_ns, last_after_ns, id_hi, id_lo, device, reporter, layer, severity, n, kind, rule, technique, subject, observables, explanation, advice, evidence"

func scanEvent(scan func(...any) error) (e model.Event, err error) {
	var ns, after int64
	var hi, lo uint64
	var observables, packed string
	err = scan(&ns, &after, &hi, &lo, &e.Device, &e.Reporter, &e.Layer, &e.Severity, &e.Count, &e.Kind,
		&e.Rule, &e.Technique, &e.Subject, &observables, &e.Explanation, &e.Advice, &packed)
	if err != nil {
		return e, fmt.Errorf("event store: read row: %w", err)
	}
	e.ID = idOf(hi, lo)
	e.Time, e.Last = timeOf(ns), timeOf(ns+after)
	e.Observables = unpackObservables(observables)
	if packed == "" {
		return e, nil
	}
	var v evidence
	if err := json.Unmarshal([]byte(packed), &v); err != nil {
		return e, fmt.Errorf("event store: evidence of event %s: %w", e.ID, err)
	}
	e.Flood, e.Process, e.File = v.Flood, v.Process, v.File
	return e, nil
}

// nanos gives a time as the store keeps it, 0 for one that is not set. Times
// beyond 1823 and 2116, which only a broken or hostile clock gives, become the
// nearest of these, so that sums do not overflow.
func nanos(t time.Time) int64 {
	switch y := t.Year(); {
	case t.IsZero():
		return 0
	case y < 1824:
		return minNanos
	case y > 2115:
		return maxNanos
	}
	return t.UnixNano()
}

const (
	minNanos = -1 << 62
	maxNanos = 1 << 62
	maxAfter = 1 << 61
)

func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
