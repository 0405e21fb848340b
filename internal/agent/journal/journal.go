// Package journal writes the agent's log: one line of key=value words for each
// message, in the form of log/slog's text handler. log/slog itself brings
// encoding/json along, 0.2 MB of the agent's program. It knows nothing of what
// is logged; internal/agent/command calls it.
package journal

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Level says how much a message matters.
type Level uint8

// The levels.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// ParseLevel gives the level of a word: debug, info, warn or error; any other
// is info.
func ParseLevel(word string) Level {
	for l, name := range names {
		if strings.EqualFold(word, name) {
			return Level(l)
		}
	}
	return LevelInfo
}

var names = [...]string{"DEBUG", "INFO", "WARN", "ERROR"}

// Log writes the messages of a level and above. Safe for concurrent use: each
// line is one Write.
type Log struct {
	least Level

	mu  sync.Mutex
	to  io.Writer
	buf []byte
}

// New makes a Log that writes to an open writer; failed writes are nobody's
// concern.
func New(to io.Writer, least Level) *Log { return &Log{to: to, least: least} }

// Info writes a message with keys and values in turn.
func (l *Log) Info(message string, keysAndValues ...any) { l.write(LevelInfo, message, keysAndValues) }

// Warn does so for what is wrong but mends itself or can be lived with.
func (l *Log) Warn(message string, keysAndValues ...any) { l.write(LevelWarn, message, keysAndValues) }

// Error does so for what somebody must mend.
func (l *Log) Error(message string, keysAndValues ...any) {
	l.write(LevelError, message, keysAndValues)
}

func (l *Log) write(level Level, message string, pairs []any) {
	if level < l.least {
		return
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(now.AppendFormat(append(l.buf[:0], "time="...), stamp), " level="...)
	b = word(append(append(b, names[level]...), " msg="...), message)
	for i, key := range pairs {
		if i%2 != 0 {
			continue
		}
		value := any("missing")
		if i+1 < len(pairs) {
			value = pairs[i+1]
		}
		b = word(append(word(append(b, ' '), text(key)), '='), text(value))
	}
	l.buf = append(b, '\n')
	_, _ = l.to.Write(l.buf)
	if cap(l.buf) > 4096 {
		l.buf = nil
	}
}

// stamp is how times are written.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// text gives a value in words.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		return v.Format(stamp)
	}
	return fmt.Sprint(v)
}

// word adds a text, in quotes when it would not stand for itself.
func word(b []byte, s string) []byte {
	odd := func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || r == unicode.ReplacementChar || !unicode.IsPrint(r)
	}
	if s == "" || strings.ContainsFunc(s, odd) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}
