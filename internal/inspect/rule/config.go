package rule

import (
	"bytes"
	"strings"
)

// classification is one line of classification.config.
type classification struct {
	text     string
	priority uint8
}

// parseClassification reads "config classification: name,text,priority".
func parseClassification(text []byte) map[string]classification {
	out := map[string]classification{}
	for line := range bytes.Lines(text) {
		rest, ok := configLine(string(line), "classification")
		if !ok {
			continue
		}
		name, rest, _ := strings.Cut(rest, ",")
		words, prio, _ := cutLast(rest, ",")
		n, good := parseUint(prio, 8)
		if !good || n == 0 {
			n = 3
		}
		out[strings.ToLower(strings.TrimSpace(name))] = classification{strings.TrimSpace(words), uint8(n)}
	}
	return out
}

// parseReferences reads "config reference: system url".
func parseReferences(text []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(text) {
		if rest, ok := configLine(string(line), "reference"); ok {
			system, url, _ := strings.Cut(rest, " ")
			out[strings.ToLower(system)] = strings.TrimSpace(url)
		}
	}
	return out
}

func configLine(line, kind string) (string, bool) {
	line = strings.TrimSpace(line)
	line, ok := strings.CutPrefix(line, "config ")
	if !ok {
		return "", false
	}
	line, ok = strings.CutPrefix(strings.TrimSpace(line), kind+":")
	return strings.TrimSpace(line), ok
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
