package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/decide/policy"
	"github.com/masugata/masugata/internal/model"
)

// policyStore keeps policy texts and past actions.
type policyStore interface {
	SavePolicy(ctx context.Context, text, author string) (model.PolicyText, error)
	Policy(ctx context.Context) (model.PolicyText, error)
	Actions(ctx context.Context, f model.ActionFilter, p model.Page) (list []model.Action, next string, err error)
}

// policyDesk reads, checks and sets the policy for the console.
type policyDesk struct {
	store policyStore
	desk  *desk
	now   func() time.Time
}

// current gives the policy in force; the first start stores the default text.
func (p *policyDesk) current(ctx context.Context) (model.Policy, error) {
	t, err := p.store.Policy(ctx)
	if errors.Is(err, model.ErrNotFound) {
		t, err = p.store.SavePolicy(ctx, policy.DefaultText, "setup")
	}
	if err != nil {
		return model.Policy{}, fmt.Errorf("read the policy: %w", err)
	}
	parsed, err := policy.Parse(fmt.Sprintf("policy version %d", t.Version), []byte(t.Text))
	parsed.Version = t.Version
	return parsed, err
}

// Policy implements the console's PolicyDesk.
func (p *policyDesk) Policy(ctx context.Context) (model.PolicyText, error) {
	return p.store.Policy(ctx)
}

// SetPolicy implements the console's PolicyDesk.
func (p *policyDesk) SetPolicy(ctx context.Context, text, by string) (uint64, []rest.PolicyProblem, error) {
	parsed, err := policy.Parse("policy", []byte(text))
	if problems := problemsOf(err); problems != nil {
		return 0, problems, nil
	}
	if err != nil {
		return 0, nil, err
	}
	saved, err := p.store.SavePolicy(ctx, text, by)
	if err != nil {
		return 0, nil, err
	}
	parsed.Version = saved.Version
	if err := p.desk.setPolicy(ctx, parsed); err != nil {
		return 0, nil, fmt.Errorf("policy version %d is stored but was not sent: %w", saved.Version, err)
	}
	return saved.Version, nil, nil
}

func problemsOf(err error) []rest.PolicyProblem {
	var found configfile.Problems
	if !errors.As(err, &found) {
		return nil
	}
	out := make([]rest.PolicyProblem, len(found))
	for i, f := range found {
		out[i] = rest.PolicyProblem{Line: f.Line, Key: f.Key, Text: f.Text}
	}
	return out
}

// maxDryRun bounds how many past actions a dry run looks at.
const maxDryRun = 1000

// DryRun implements the console's PolicyDesk: the same evaluator that decides
// on live actions is asked about those of the past.
func (p *policyDesk) DryRun(ctx context.Context, text string, since time.Duration) (rest.DryRun, error) {
	out := rest.DryRun{Since: p.now().Add(-since), Problems: []rest.PolicyProblem{}, Decisions: []rest.Decision{}}
	parsed, err := policy.Parse("policy", []byte(text))
	if problems := problemsOf(err); problems != nil {
		out.Problems = problems
		return out, nil
	}
	if err != nil {
		return out, err
	}
	list, _, err := p.store.Actions(ctx, model.ActionFilter{}, model.Page{Limit: maxDryRun})
	if err != nil {
		return out, err
	}
	for _, a := range list {
		if a.Created.Before(out.Since) {
			break
		}
		out.Decisions = append(out.Decisions, rest.Decision{Action: a.ID, Kind: a.Kind, Incident: a.Incident, Reason: a.Reason,
			Now: a.Mode, Would: modeUnder(parsed, a)})
	}
	return out, nil
}
