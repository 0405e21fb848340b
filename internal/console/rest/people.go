package rest

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/model"
)

// UserList lists all users by name.
type UserList struct {
	Users []model.User `json:"users"`
}

// TokenList lists API tokens.
type TokenList struct {
	Tokens []model.APIToken `json:"tokens"`
}

// NewToken is an API token with its text, which is shown only now.
type NewToken struct {
	model.APIToken
	Text string `json:"text" doc:"Send it as Authorization: Bearer; it is shown only now"`
}

type userInput struct {
	Body struct {
		User     string       `json:"user" minLength:"1" maxLength:"64"`
		Access   model.Access `json:"access"`
		Password string       `json:"password" minLength:"12" maxLength:"256"`
	}
}

type userNameInput struct {
	Name string `path:"name" maxLength:"64"`
}

type tokenInput struct {
	Body struct {
		Name   string       `json:"name" minLength:"1" maxLength:"100" doc:"What it is for"`
		Access model.Access `json:"access"`
		TTLS   int          `json:"ttl_s,omitempty" minimum:"0" maximum:"315360000" doc:"Seconds until it expires; 0: never"`
	}
}

type tokensInput struct {
	All bool `query:"all" doc:"Admins: the tokens of all users"`
}

func (s *server) registerPeople() {
	add(s, op{id: "list-users", method: http.MethodGet, path: "/users", tag: "people", summary: "List users"},
		func(ctx context.Context, _ *nothing) (UserList, error) {
			list, err := s.People.Users(ctx)
			return UserList{Users: orEmpty(list)}, err
		})
	add(s, op{id: "create-user", method: http.MethodPost, path: "/users", tag: "people", summary: "Add a user", status: http.StatusCreated},
		func(ctx context.Context, in *userInput) (model.User, error) {
			noteObject(ctx, in.Body.User)
			return s.People.CreateUser(ctx, in.Body.User, in.Body.Access, in.Body.Password)
		})
	addQuiet(s, op{id: "delete-user", method: http.MethodDelete, path: "/users/{name}", tag: "people", summary: "Remove a user with all sessions and tokens"},
		func(ctx context.Context, in *userNameInput) error { return s.People.DeleteUser(ctx, in.Name) })
	add(s, op{id: "list-tokens", method: http.MethodGet, path: "/tokens", tag: "people", summary: "List API tokens"}, s.listTokens)
	add(s, op{id: "create-token", method: http.MethodPost, path: "/tokens", tag: "people", summary: "Make an API token for oneself", status: http.StatusCreated}, s.createToken)
	addQuiet(s, op{id: "delete-token", method: http.MethodDelete, path: "/tokens/{id}", tag: "people", summary: "Take an API token back"}, s.deleteToken)
}

func (s *server) listTokens(ctx context.Context, in *tokensInput) (TokenList, error) {
	if !in.All {
		list, err := s.ownTokens(ctx)
		return TokenList{Tokens: orEmpty(list)}, err
	}
	if !callerOf(ctx).access.Allows(model.AccessAdmin) {
		return TokenList{}, huma.Error403Forbidden("the tokens of all users are for the access level admin")
	}
	list, err := s.Tokens.APITokens(ctx, "")
	return TokenList{Tokens: orEmpty(list)}, err
}

// ownTokens gives the caller's tokens; of the machine's own token those that
// are the machine's.
func (s *server) ownTokens(ctx context.Context) ([]model.APIToken, error) {
	user := callerOf(ctx).user
	list, err := s.Tokens.APITokens(ctx, user) // the empty name would be that of all
	return slices.DeleteFunc(list, func(t model.APIToken) bool { return t.User != user }), err
}

func (s *server) createToken(ctx context.Context, in *tokenInput) (NewToken, error) {
	c := callerOf(ctx)
	if !c.access.Allows(in.Body.Access) {
		return NewToken{}, fieldProblem("body.access", in.Body.Access, "is above your own, "+string(c.access))
	}
	t := model.APIToken{Name: in.Body.Name, User: c.user, Access: in.Body.Access}
	if in.Body.TTLS > 0 {
		t.Expires = s.Now().UTC().Add(time.Duration(in.Body.TTLS) * time.Second)
	}
	text, made, err := s.Tokens.CreateAPIToken(ctx, t)
	noteObject(ctx, made.ID.String())
	return NewToken{APIToken: made, Text: text}, err
}

// deleteToken lets people delete their own tokens and admins all.
func (s *server) deleteToken(ctx context.Context, in *idInput) error {
	c := callerOf(ctx)
	if !c.access.Allows(model.AccessAdmin) {
		own, err := s.ownTokens(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(own, func(t model.APIToken) bool { return t.ID == in.ID }) {
			return huma.Error404NotFound("you have no API token " + in.ID.String())
		}
	}
	return s.Tokens.DeleteAPIToken(ctx, in.ID)
}
