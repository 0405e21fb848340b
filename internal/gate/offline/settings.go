package offline

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/inspect/rule/library"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// maxIncludes bounds files that include each other.
const maxIncludes = 16

// Settings reads a Suricata configuration file ("" for none) with what it
// includes, then more files, and then KEY=VALUE settings, into dotted names.
func Settings(file string, more, sets []string) (engine.Settings, error) {
	s := engine.Settings{}
	for _, f := range append([]string{file}, more...) {
		if f == "" {
			continue
		}
		if err := readConfig(s, f, 0); err != nil {
			return nil, err
		}
	}
	for _, kv := range sets {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q: write KEY=VALUE", kv)
		}
		s[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	parserSettings(s)
	return s, nil
}

func readConfig(s engine.Settings, file string, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: more than %d files include each other", file, maxIncludes)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	own := engine.Settings{}
	flatten(own, "", &root)
	list, _ := own.Lookup("include")
	for inc := range strings.SplitSeq(list, ",") {
		if inc = strings.TrimSpace(inc); inc == "" {
			continue
		}
		if !filepath.IsAbs(inc) {
			inc = filepath.Join(filepath.Dir(file), inc)
		}
		if err := readConfig(s, inc, depth+1); err != nil {
			return err
		}
	}
	if len(own.Children("outputs")) > 0 { // the list replaces one of an included file
		maps.DeleteFunc(s, func(k, _ string) bool { return strings.HasPrefix(k, "outputs.") })
	}
	maps.Copy(s, own)
	return nil
}

// flatten writes the values of a tree under dotted names.
func flatten(s engine.Settings, prefix string, n *yaml.Node) {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			flatten(s, prefix, c)
		}
	case yaml.AliasNode:
		flatten(s, prefix, n.Alias)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flatten(s, join(prefix, n.Content[i].Value), n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			flatten(s, join(prefix, strconv.Itoa(i)), c)
		}
	case yaml.ScalarNode:
		if prefix != "" && (n.Tag != "!!null" || strings.Contains(prefix, ".types.")) { // "- dns:" is a type with no settings
			s[prefix] = n.Value
		}
	}
}

func join(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

// compileGC is the collector's percentage while rules are compiled: it trades a
// little time for half of the memory, because nothing allocates once they are
// in use and what loading left over would stay.
const compileGC = 25

// CompileRules reads and compiles rule files with the settings' variables. The
// collector runs more often meanwhile, in the whole process.
func CompileRules(files []string, s engine.Settings) (*rule.Set, []rule.Refusal, error) {
	was := debug.SetGCPercent(compileGC)
	defer debug.SetGCPercent(was)
	if was >= 0 && was < compileGC {
		debug.SetGCPercent(was)
	}
	o, err := ruleOptions(s, files)
	if err != nil {
		return nil, nil, err
	}
	var sources []rule.Source
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, rule.Source{Name: file, Text: text})
	}
	return rule.Compile(sources, o)
}

func ruleOptions(s engine.Settings, files []string) (rule.Options, error) {
	addresses, ports := rule.StockVariables("")
	for group, vars := range map[string]map[string]string{"vars.address-groups": addresses, "vars.port-groups": ports} {
		for _, name := range s.Children(group) {
			v, _ := s.Lookup(group + "." + name)
			vars[name] = v
		}
	}
	folders := []string{"."}
	for _, f := range files {
		folders = append(folders, filepath.Dir(f))
	}
	o := rule.Options{AddressVars: addresses, PortVars: ports, Specs: Specs(s), Fields: protocol.Fields(), Settings: s.Lookup, Load: loader(folders), KeepText: keepsText(s),
		Library: payload.Library{PublicSuffix: library.PublicSuffix, Gunzip: library.Gunzip, Inflate: library.Inflate}, JSON: library.JSON}
	var err error
	if o.Threshold, err = optional(s["threshold-file"]); err != nil {
		return o, err
	}
	if o.Classification, err = nearby(s["classification-file"], "classification.config", folders); err != nil {
		return o, err
	}
	if o.Reference, err = nearby(s["reference-config-file"], "reference.config", folders); err != nil {
		return o, err
	}
	o.Datasets = datasets(s)
	return o, nil
}

// optional reads a file that a setting names; nothing is set for "".
func optional(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	return os.ReadFile(file)
}

// nearby reads the named file, or the usual one beside the rules.
func nearby(file, usual string, folders []string) ([]byte, error) {
	if file != "" {
		if text, err := os.ReadFile(file); err == nil {
			return text, nil
		}
	}
	for _, f := range folders[1:] {
		if text, err := os.ReadFile(filepath.Join(f, usual)); err == nil {
			return text, nil
		}
	}
	return nil, nil
}

// loader reads files that rules name: as they are, or beside the rules.
func loader(folders []string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if filepath.IsAbs(name) {
			return os.ReadFile(name)
		}
		var last error
		for i := len(folders) - 1; i >= 0; i-- {
			text, err := os.ReadFile(filepath.Join(folders[i], name))
			if err == nil {
				return text, nil
			}
			last = err
		}
		return nil, last
	}
}

func datasets(s engine.Settings) map[string]rule.DatasetSetting {
	out := map[string]rule.DatasetSetting{}
	for _, name := range s.Children("datasets") {
		base := "datasets." + name + "."
		if s[base+"type"] == "" {
			continue
		}
		out[name] = rule.DatasetSetting{Type: s[base+"type"], State: s[base+"state"], Load: s[base+"load"],
			MemCap: s.Size(base+"memcap", 0), HashSize: s.Size(base+"hashsize", 0)}
	}
	return out
}
