// Package configfile reads the one commented YAML file of a role or a policy:
// strictly (an unknown or repeated key is a problem), completely (all problems
// at once, each with file, line and key), and with single values replaced from
// the command line. It knows nothing of what the keys mean; the roles and
// internal/decide/policy call it.
package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// File is a parsed file together with the lines its keys stand on, so that
// problems of meaning can be told with their place too.
type File struct {
	name     string
	root     *yaml.Node
	problems Problems
}

// Problem is one thing wrong with a file.
type Problem struct {
	File string
	Line int    // 0 when the problem has no line, such as a missing key
	Key  string // dotted path, such as "link.listen"
	Text string // what is wrong and what to write instead
}

// String gives "file:line: key: text".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is the error of a file with at least one problem.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Read decodes data into v, a pointer to a struct with yaml tags that already
// holds the defaults. sets are "key=value" texts with dotted keys that replace
// what the file says. Problems of form are collected in the File: go on
// checking the meaning with Check and ask Err at the end.
func Read(name string, data []byte, sets []string, v any) *File {
	f := &File{name: name}
	if len(data) > MaxSize {
		f.add(0, "", fmt.Sprintf("is %d bytes long; at most %d are read", len(data), MaxSize))
		return f
	}
	// A file of comments alone is no document to the loader: read it through
	// the decoder, whose io.EOF says so.
	var root yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		f.addLoad(err)
		return f
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		f.add(more.Line, "", "want one document; remove what follows the second `---`")
		return f
	}
	f.root = mapping(&root)
	if f.root == nil {
		f.add(root.Line, "", "want keys and values, such as `key: value`")
		return f
	}
	for _, s := range sets {
		f.set(s)
	}
	if len(f.root.Content) > 0 {
		if err := f.root.Load(v, yaml.WithKnownFields()); err != nil {
			f.addLoad(err)
		}
	}
	return f
}

// mapping gives the top mapping of a document; an empty document is an empty
// mapping, anything else nil.
func mapping(root *yaml.Node) *yaml.Node {
	n := root
	if n.Kind == yaml.DocumentNode {
		if len(n.Content) == 0 {
			return &yaml.Node{Kind: yaml.MappingNode}
		}
		n = n.Content[0]
	}
	switch {
	case n.Kind == 0, n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return &yaml.Node{Kind: yaml.MappingNode}
	case n.Kind == yaml.MappingNode:
		return n
	}
	return nil
}

func (f *File) set(s string) {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		f.problems = append(f.problems, Problem{File: "--set " + s, Text: "want KEY=VALUE, such as link.listen=:7443"})
		return
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(value), &doc); err != nil || len(doc.Content) == 0 {
		doc = yaml.Node{Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}}}
	}
	at := f.root
	parts := strings.Split(key, ".")
	for i, p := range parts {
		child := lookup(at, p)
		last := i == len(parts)-1
		if child == nil {
			child = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: p}, child)
		}
		if last {
			*child = *doc.Content[0]
			return
		}
		if child.Kind != yaml.MappingNode {
			*child = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		at = child
	}
}

func lookup(m *yaml.Node, key string) *yaml.Node {
	if m == nil || m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// Check records a problem at the dotted key unless ok holds.
func (f *File) Check(ok bool, key, format string, args ...any) {
	if !ok {
		f.add(f.line(key), key, fmt.Sprintf(format, args...))
	}
}

// line gives the line of the deepest part of the key that the file has.
func (f *File) line(key string) int {
	at, line := f.root, 0
	for _, p := range strings.Split(key, ".") {
		if at = lookup(at, p); at == nil {
			break
		}
		line = at.Line
	}
	return line
}

func (f *File) add(line int, key, text string) {
	f.problems = append(f.problems, Problem{File: f.name, Line: line, Key: key, Text: text})
}

func (f *File) addLoad(err error) {
	var many *yaml.LoadErrors
	if errors.As(err, &many) {
		for _, e := range many.Errors {
			f.add(e.Mark.Line, "", inPlainWords(e.Message))
		}
		return
	}
	f.add(0, "", strings.TrimPrefix(err.Error(), "yaml: "))
}

// inPlainWords turns what the decoder says of Go types into what people look
// for in their file.
func inPlainWords(message string) string {
	rest, ok := strings.CutPrefix(message, "field ")
	key, _, found := strings.Cut(rest, " not found in type ")
	if !ok || !found {
		return message
	}
	return fmt.Sprintf("%q is not a key here; look at the sample for the ones there are", key)
}

// Err gives the problems found so far in order of their lines, or nil.
func (f *File) Err() error {
	if len(f.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return a.Line - b.Line })
	return f.problems
}
