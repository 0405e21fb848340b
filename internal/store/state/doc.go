// Package state keeps what the control plane must not forget: people and
// their tokens, enrolled parts and certificates, devices, incidents, actions,
// the audit trail, signed sets and policy texts. Events are not
// here (store/event).
//
// One set of queries (query.sql, compiled by sqlc) runs on SQLite, the
// default, and on PostgreSQL. The package knows rows and their invariants:
// which change of an action is allowed, that a one-time token is used once,
// that the audit trail is a chain. It does not know who may ask for what
// (console/rest) nor when things should change (control, decide).
//
// A Store is safe for concurrent use. Times are kept in nanoseconds, UTC.
package state
