package rest

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// PolicyView is the policy text in force, or what is wrong with a new one.
type PolicyView struct {
	Version  uint64          `json:"version" doc:"0 before the first policy"`
	Text     string          `json:"text"`
	Author   string          `json:"author,omitempty"`
	Time     time.Time       `json:"time,omitzero"`
	Problems []PolicyProblem `json:"problems" doc:"Not empty: the text was not taken"`
}

type policyInput struct {
	Body struct {
		Text string `json:"text" maxLength:"262144" doc:"YAML"`
	}
}

type dryRunInput struct {
	Body struct {
		Text   string `json:"text" maxLength:"262144" doc:"YAML"`
		SinceS int    `json:"since_s,omitempty" minimum:"1" maximum:"2592000" default:"86400" doc:"How many seconds to look back"`
	}
}

func (s *server) registerPolicy() {
	add(s, op{id: "get-policy", method: http.MethodGet, path: "/policy", tag: "policy", summary: "The policy in force"}, s.getPolicy)
	add(s, op{id: "set-policy", method: http.MethodPut, path: "/policy", tag: "policy", summary: "Check a policy and put it in force"}, s.setPolicy)
	add(s, op{id: "dry-run-policy", method: http.MethodPost, path: "/policy/dry-run", tag: "policy", summary: "What a policy would have decided"}, s.dryRun)
}

func (s *server) getPolicy(ctx context.Context, _ *nothing) (PolicyView, error) {
	p, err := s.Policy.Policy(ctx)
	if errors.Is(err, model.ErrNotFound) {
		return PolicyView{Problems: []PolicyProblem{}}, nil
	}
	return PolicyView{Version: p.Version, Text: p.Text, Author: p.Author, Time: p.Time, Problems: []PolicyProblem{}}, err
}

func (s *server) setPolicy(ctx context.Context, in *policyInput) (PolicyView, error) {
	version, problems, err := s.Policy.SetPolicy(ctx, in.Body.Text, callerOf(ctx).by())
	if err != nil || len(problems) > 0 {
		return PolicyView{Text: in.Body.Text, Problems: orEmpty(problems)}, err
	}
	return PolicyView{Version: version, Text: in.Body.Text, Author: callerOf(ctx).by(), Time: s.Now().UTC(), Problems: []PolicyProblem{}}, nil
}

func (s *server) dryRun(ctx context.Context, in *dryRunInput) (DryRun, error) {
	d, err := s.Policy.DryRun(ctx, in.Body.Text, time.Duration(in.Body.SinceS)*time.Second)
	d.Problems, d.Decisions = orEmpty(d.Problems), orEmpty(d.Decisions)
	return d, err
}
