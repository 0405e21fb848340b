package rest

import (
	"context"
	"net/http"

	"github.com/masugata/masugata/internal/model"
)

// AuditList is a page of the audit trail, newest first.
type AuditList struct {
	Entries []model.AuditEntry `json:"entries"`
	Next    string             `json:"next"`
}

type pageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Before string `query:"before" maxLength:"256"`
}

func (s *server) registerAudit() {
	add(s, op{id: "list-audit", method: http.MethodGet, path: "/audit", tag: "audit", summary: "Who did what"},
		func(ctx context.Context, in *pageInput) (AuditList, error) {
			list, next, err := s.Audit.Audit(ctx, model.Page{Limit: in.Limit, Before: in.Before})
			return AuditList{Entries: orEmpty(list), Next: next}, err
		})
}
