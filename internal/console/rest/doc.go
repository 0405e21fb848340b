// Package rest is the console's API: thin handlers under /api/v1, described by
// OpenAPI 3.1 (api/openapi.json is made from them), for the dashboard, the
// operator's command line and other programs. Questions about reputation are
// answered over the Connect protocol as well (api/reputation), by the same
// rules.
//
// It knows who may ask for what (rules.go), how people and programs prove who
// they are, and the JSON forms. It does not know how things are stored,
// searched or decided: it declares the interfaces it needs (config.go), and
// internal/control hands it what satisfies them.
package rest
