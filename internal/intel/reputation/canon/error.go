package canon

import "strconv"

// Error says why a text is not the thing that was asked for.
type Error struct {
	Text    string // what was given, cut to 80 bytes
	Problem string // what is wrong with it
	Mend    string // what to do about it
}

// Error implements error.
func (e *Error) Error() string {
	s := strconv.Quote(e.Text) + ": " + e.Problem
	if e.Mend != "" {
		s += "; " + e.Mend
	}
	return s
}

func refuse(text, problem, mend string) *Error {
	const most = 80
	if len(text) > most {
		text = text[:most]
	}
	return &Error{Text: text, Problem: problem, Mend: mend}
}
