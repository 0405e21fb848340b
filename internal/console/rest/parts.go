package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// PartList lists all enrolled parts.
type PartList struct {
	Parts []PartView `json:"parts"`
}

// EnrollTokenList lists enrolment tokens, newest first.
type EnrollTokenList struct {
	Tokens []model.EnrollToken `json:"tokens"`
}

// NewEnrollToken is a token with its text, which is shown only now.
type NewEnrollToken struct {
	model.EnrollToken
	Text string `json:"text" doc:"Give it to the part; it is shown only now"`
	Link string `json:"link,omitempty" doc:"Where the part enrols"`
}

type revokeInput struct {
	ID   model.PartID `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"1000"`
	}
}

type enrollInput struct {
	Body struct {
		Role model.Role `json:"role"`
		Name string     `json:"name,omitempty" maxLength:"100" doc:"Name of the part; empty leaves it to the part"`
		TTLS int        `json:"ttl_s,omitempty" minimum:"10" maximum:"2592000" default:"3600" doc:"Seconds until it expires"`
		Uses int        `json:"uses,omitempty" minimum:"1" maximum:"100000" default:"1" doc:"How many parts may enrol with it"`
	}
}

func (s *server) registerParts() {
	add(s, op{id: "list-parts", method: http.MethodGet, path: "/parts", tag: "parts", summary: "List enrolled agents and gates"}, s.listParts)
	add(s, op{id: "revoke-part", method: http.MethodPost, path: "/parts/{id}/revoke", tag: "parts", summary: "End the trust in a part at once"}, s.revokePart)
	add(s, op{id: "list-enroll-tokens", method: http.MethodGet, path: "/enroll-tokens", tag: "parts", summary: "List enrolment tokens"},
		func(ctx context.Context, _ *nothing) (EnrollTokenList, error) {
			list, err := s.Enrolment.EnrollTokens(ctx)
			return EnrollTokenList{Tokens: orEmpty(list)}, err
		})
	add(s, op{id: "create-enroll-token", method: http.MethodPost, path: "/enroll-tokens", tag: "parts", summary: "Make an enrolment token", status: http.StatusCreated}, s.createEnrollToken)
	addQuiet(s, op{id: "delete-enroll-token", method: http.MethodDelete, path: "/enroll-tokens/{id}", tag: "parts", summary: "Take an enrolment token back"},
		func(ctx context.Context, in *idInput) error { return s.Enrolment.DeleteEnrollToken(ctx, in.ID) })
}

func (s *server) listParts(ctx context.Context, _ *nothing) (PartList, error) {
	list, err := s.Inventory.Parts(ctx)
	out := make([]PartView, len(list))
	for i, p := range list {
		out[i] = s.partView(p)
	}
	return PartList{Parts: out}, err
}

func (s *server) partView(p model.Part) PartView {
	return PartView{Part: p, Online: s.online(&p, s.Now())}
}

func (s *server) online(p *model.Part, now time.Time) bool {
	return !p.Revoked && now.Sub(p.LastSeen) < s.PartOfflineAfter
}

func (s *server) revokePart(ctx context.Context, in *revokeInput) (PartView, error) {
	p, err := s.Parts.RevokePart(ctx, in.ID, callerOf(ctx).by(), in.Body.Reason)
	return s.partView(p), err
}

func (s *server) createEnrollToken(ctx context.Context, in *enrollInput) (NewEnrollToken, error) {
	text, t, err := s.Enrolment.CreateEnrollToken(ctx, model.EnrollToken{
		Role: in.Body.Role, Name: in.Body.Name, Uses: in.Body.Uses, Author: callerOf(ctx).by(),
		Expires: s.Now().UTC().Add(time.Duration(in.Body.TTLS) * time.Second),
	}, s.CAPin)
	noteObject(ctx, t.ID.String())
	return NewEnrollToken{EnrollToken: t, Text: text, Link: s.LinkAddress}, err
}
