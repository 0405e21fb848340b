package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// agentRules sends the inspection rules of agents.rules as the signed set
// "rules", and again when a file changes.
type agentRules struct {
	patterns []string
	sets     *setBook
	log      *slog.Logger
	seen     string // names, sizes and times of the files that were sent
}

// refresh sends the files when they are others than those sent last. Files
// that cannot be read leave the former ones in force.
func (r *agentRules) refresh(ctx context.Context, now time.Time) error {
	names, state, err := r.look()
	if err != nil || state == r.seen {
		return err
	}
	files, err := readRules(names)
	if err != nil {
		return err
	}
	if len(files) > 0 || r.seen != "" || r.sent() {
		r.check(files)
		if err := r.sets.publish(ctx, now, named{setRules, wire.EncodeRules(files)}); err != nil {
			return err
		}
	}
	r.seen = state
	return nil
}

// resign signs the set again when it is at half its life.
func (r *agentRules) resign(ctx context.Context, now time.Time) error {
	r.seen = ""
	return r.refresh(ctx, now)
}

// sent says whether a former run sent rules, which an empty set must replace.
func (r *agentRules) sent() bool {
	old, _ := r.sets.newest(setRules)
	return old != nil
}

// look gives the files that the patterns name now, and a text that differs
// when any of them does.
func (r *agentRules) look() (names []string, state string, err error) {
	var b strings.Builder
	b.WriteString("files:")
	for _, pattern := range r.patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, "", fmt.Errorf("agents.rules: %q: %w", pattern, err)
		}
		if len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
			return nil, "", fmt.Errorf("agents.rules: %w", &os.PathError{Op: "open", Path: pattern, Err: os.ErrNotExist})
		}
		for _, name := range found {
			st, err := os.Stat(name)
			if err != nil {
				return nil, "", fmt.Errorf("agents.rules: %w", err)
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
				fmt.Fprintf(&b, "%q %d %d\n", name, st.Size(), st.ModTime().UnixNano())
			}
		}
	}
	return names, b.String(), nil
}

func readRules(names []string) ([]model.RuleFile, error) {
	if len(names) > wire.MaxRuleFiles {
		return nil, fmt.Errorf("agents.rules: %d files, at most %d are sent", len(names), wire.MaxRuleFiles)
	}
	var files []model.RuleFile
	size := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("agents.rules: %w", err)
		}
		if size += len(text); size > wire.MaxRuleText {
			return nil, errors.New("agents.rules: more than 4 MiB of rules")
		}
		files = append(files, model.RuleFile{Name: filepath.Base(name), Text: string(text)})
	}
	return files, nil
}

// loggedRefusals is how many rules that agents will refuse are logged one by one.
const loggedRefusals = 20

// check compiles the rules as an agent will and logs what it will refuse.
func (r *agentRules) check(files []model.RuleFile) {
	o := rule.Options{OnlyParsed: true}
	o.AddressVars, o.PortVars = rule.StockVariables("")
	var sources []rule.Source
	for _, f := range files {
		sources = append(sources, rule.Source{Name: f.Name, Text: []byte(f.Text)})
	}
	set, refused, err := rule.Compile(sources, o)
	if err != nil {
		r.log.Error("rules of agents", "error", err)
		return
	}
	for n, x := range refused {
		if n == loggedRefusals {
			r.log.Warn("more rules that agents will refuse", "count", len(refused)-n)
			break
		}
		r.log.Warn("agents will refuse a rule", "file", x.File, "line", x.Line, "rule", x.SID, "problem", x.Problem)
	}
	r.log.Info("rules for agents", "files", len(files), "rules", len(set.Rules()), "refused", len(refused))
}
