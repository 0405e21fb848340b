package edge

import "fmt"

// Reason says why a set or a difference is refused.
type Reason uint8

// The reasons.
const (
	Truncated Reason = iota + 1 // it ends too early
	Corrupt                     // its digest or its form is wrong
	Foreign                     // it is not of this format, or of a newer one
	Older                       // it is not newer than the one held: replayed or rolled back
	Expired                     // its life has ended
	TooBig                      // it is beyond its class, or its class beyond what is taken
	OtherBase                   // the difference or the tails are of another set
)

var reasonNames = [...]string{"", "truncated", "corrupt", "foreign", "older", "expired", "too big", "of another set"}

// String is the reason in a word or two.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Error says why something is refused; whatever was in force stays so.
type Error struct {
	What   string // "set", "difference" or "tails"
	Reason Reason
	Text   string // what was found and what was expected
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("reputation %s is %s: %s", e.What, e.Reason, e.Text)
}

func refuse(what string, r Reason, format string, args ...any) error {
	return &Error{What: what, Reason: r, Text: fmt.Sprintf(format, args...)}
}
