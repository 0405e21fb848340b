package rule

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/masugata/masugata/internal/inspect/rule/memory"
)

// jsonValues turns a data set in JSON (an array of objects, somewhere below
// array_key, or one object a line) into the lines that data sets are loaded
// from. Of every object the value below value_key counts.
func jsonValues(text []byte, spec *datasetSpec, parse func([]byte) (any, error)) ([]byte, error) {
	if parse == nil {
		return nil, fmt.Errorf("this program reads no data sets in JSON")
	}
	if spec.valueKey == "" {
		return nil, fmt.Errorf("value_key is missing")
	}
	var out bytes.Buffer
	add := func(v any) error {
		s, ok := below(v, spec.valueKey).(string)
		if !ok {
			return fmt.Errorf("an entry has no text below %q", spec.valueKey)
		}
		if spec.kind == memory.DatasetString {
			s = base64.StdEncoding.EncodeToString([]byte(s))
		}
		out.WriteString(s + "\n")
		return nil
	}
	if spec.format != "json" {
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			v, err := parse(line)
			if err != nil {
				return nil, fmt.Errorf("a line is no JSON")
			}
			if err := add(v); err != nil {
				return nil, err
			}
		}
		return out.Bytes(), nil
	}
	v, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("the file is no JSON")
	}
	if spec.arrayKey != "" {
		v = below(v, spec.arrayKey)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("there is no array below %q", spec.arrayKey)
	}
	for _, e := range list {
		if err := add(e); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// below follows a dotted path into JSON.
func below(v any, path string) any {
	for _, key := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}
