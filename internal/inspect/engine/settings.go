package engine

import (
	"slices"
	"strconv"
	"strings"
)

// Settings are configured values by their dotted names, as Suricata names them
// ("stream.midstream"). Items of lists are numbered: "outputs.1.eve-log.enabled".
type Settings map[string]string

// Lookup implements protocol.Settings for whole names. A list of plain items is
// given comma-separated.
func (s Settings) Lookup(name string) (string, bool) {
	if v, ok := s[name]; ok {
		return v, true
	}
	var items []string
	for i := 0; ; i++ {
		v, ok := s[name+"."+strconv.Itoa(i)]
		if !ok {
			break
		}
		items = append(items, v)
	}
	return strings.Join(items, ","), len(items) > 0
}

// Bool reads a truth value in Suricata's spellings.
func (s Settings) Bool(name string, otherwise bool) bool {
	v, ok := s[name]
	if !ok {
		return otherwise
	}
	return IsTrue(v)
}

// IsTrue says whether a value means yes in Suricata's spellings.
func IsTrue(v string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(strings.TrimSpace(v)))
}

// Size reads a number with an optional kb, mb or gb.
func (s Settings) Size(name string, otherwise uint64) uint64 {
	v, ok := s[name]
	if !ok {
		return otherwise
	}
	n, ok := ParseSize(v)
	if !ok {
		return otherwise
	}
	return n
}

// ParseSize reads "1mb", "32 KiB", "4096". Units are powers of 1,024.
func ParseSize(v string) (uint64, bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	unit := uint64(1)
	for _, u := range []struct {
		name string
		n    uint64
	}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"b", 1}} {
		if t, ok := strings.CutSuffix(v, u.name); ok {
			v, unit = strings.TrimSpace(t), u.n
			break
		}
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n < 0 || n*float64(unit) >= 1<<63 {
		return 0, false
	}
	return uint64(n * float64(unit)), true
}

// Below gives the settings under a prefix, for a protocol's parser.
func (s Settings) Below(prefix string) Settings {
	out := Settings{}
	for k, v := range s {
		if rest, ok := strings.CutPrefix(k, prefix+"."); ok {
			out[rest] = v
		}
	}
	return out
}

// Children gives the names directly under a prefix, sorted.
func (s Settings) Children(prefix string) []string {
	var out []string
	for k := range s {
		if rest, ok := strings.CutPrefix(k, prefix+"."); ok {
			name, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}
