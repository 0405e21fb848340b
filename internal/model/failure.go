package model

import "errors"

// Failures that cross package borders. Stores wrap them with what was asked
// for; consoles and the link turn them into their own answers.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrConflict means that the thing's present state does not allow the
	// change, such as a move of an undone action back to active.
	ErrConflict = errors.New("not possible in its present state")
	// ErrInvalid means that a given value cannot be used; the text says which.
	ErrInvalid = errors.New("not valid")

	ErrTokenUnknown = errors.New("enrolment token is not known here")
	ErrTokenExpired = errors.New("enrolment token has expired")
	ErrTokenUsed    = errors.New("enrolment token has been used up")
	ErrTokenRole    = errors.New("enrolment token is for another role")

	// ErrLogin is the one answer to a wrong name, a wrong password and a wrong
	// or expired API token, so that none can be told from the other.
	ErrLogin = errors.New("name or secret is wrong")
)
