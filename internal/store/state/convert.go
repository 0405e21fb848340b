package state

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// nanos gives the stored form of a time; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// encode gives the JSON form of a value of the model.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

func decode[T any](doc string) (v T, err error) {
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return v, fmt.Errorf("stored %T cannot be read: %w", v, err)
	}
	return v, nil
}

// most gives the number of rows that a page takes: one more than it shows, to
// know whether there is a next one.
func most(p model.Page) (limit int, rows int32) {
	limit = p.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	return limit, int32(limit) + 1
}

// cut takes the row beyond the page off, and gives the cursor of the next.
func cut[T any](rows []T, limit int, cursor func(T) string) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], cursor(rows[limit-1])
}

// states gives the form in which queries look for a state: ,open,ended,
func states[T ~string](list []T) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte(',')
	for _, s := range list {
		b.WriteString(string(s))
		b.WriteByte(',')
	}
	return b.String()
}

// numberBefore reads a cursor that is a number; the empty one is above all.
func numberBefore(p model.Page) (int64, error) {
	if p.Before == "" {
		return 1<<63 - 1, nil
	}
	n, err := strconv.ParseInt(p.Before, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("before %q is not a cursor of this list: %w", p.Before, model.ErrInvalid)
	}
	return n, nil
}

// idBefore checks a cursor that is an ID.
func idBefore(p model.Page) error {
	if _, err := model.ParseID(p.Before); err != nil {
		return fmt.Errorf("before %q is not a cursor of this list: %w", p.Before, model.ErrInvalid)
	}
	return nil
}
