package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/masugata/masugata/internal/model"
)

// column is one column of a table: its heading and the dotted path to its
// value in the JSON object.
type column struct{ head, path string }

func cols(spec ...string) []column {
	out := make([]column, len(spec))
	for i, s := range spec {
		head, path, ok := strings.Cut(s, "=")
		if !ok {
			path = s
		}
		out[i] = column{head, path}
	}
	return out
}

// print writes the answer v in the wanted format. list is the key of the array
// in v that a table or CSV shows a row each of; empty shows v itself as one.
func print(w io.Writer, format string, v map[string]any, list string, columns []column) error {
	switch format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "yaml":
		b, err := yaml.Dump(plain(v))
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	}
	rows := []any{v}
	if list != "" {
		rows, _ = v[list].([]any)
	}
	if format == "csv" {
		return printCSV(w, rows, columns)
	}
	if list == "" {
		return printOne(w, v, columns)
	}
	return printTable(w, rows, columns)
}

// plain turns json.Number into numbers, which YAML would quote otherwise.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

func printCSV(w io.Writer, rows []any, columns []column) error {
	out := csv.NewWriter(w)
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = c.path
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for _, r := range rows {
		for i, c := range columns {
			line[i] = text(at(r, c.path), false)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func printTable(w io.Writer, rows []any, columns []column) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = strings.ToUpper(c.head)
	}
	fmt.Fprintln(tw, strings.Join(heads, "\t"))
	cells := make([]string, len(columns))
	for _, r := range rows {
		for i, c := range columns {
			cells[i] = text(at(r, c.path), true)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func printOne(w io.Writer, v any, columns []column) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(tw, "%s\t%s\n", c.head, text(at(v, c.path), true))
	}
	return tw.Flush()
}

// at follows a dotted path into a JSON object; nil where it ends. A traffic
// shape comes in words.
func at(v any, path string) any {
	if path == "shape" {
		if m, ok := v.(map[string]any); ok {
			return shapeWords(m["shape"])
		}
	}
	for p := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func shapeWords(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var s model.Shape
	if json.Unmarshal(b, &s) != nil {
		return v
	}
	return s.String()
}

// text writes a value in one cell. Tables get times in local form and long
// texts cut; CSV gets them whole.
func text(v any, short bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if !short {
			return v
		}
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.Local().Format("2006-01-02 15:04:05")
		}
		return cutShort(v)
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = text(v[i], short)
		}
		return strings.Join(words, ",")
	case map[string]any:
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		if short {
			return strings.Map(printable, string(b))
		}
		return string(b)
	}
	return fmt.Sprint(v)
}

// cutShort makes a text fit for a cell of a table.
func cutShort(s string) string {
	s = strings.Map(printable, s)
	if r := []rune(s); len(r) > 70 {
		return string(r[:69]) + "…"
	}
	return s
}

// printable keeps what could steer a terminal, or turn the order of letters
// around, out of what it shows: device names and the like come from outside.
func printable(r rune) rune {
	switch {
	case unicode.IsControl(r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return ' '
	case unicode.Is(unicode.Cf, r):
		return -1
	}
	return r
}
