package query

import "strings"

// Pattern matches text without regard to letter case.
type Pattern struct {
	// Parts are the literal pieces in lower case; between two of them stands
	// any run of characters. There is at least one part.
	Parts []string
	// Contains says that any text may stand before the first and after the
	// last part.
	Contains bool
}

// Literal says whether the pattern is one fixed text, and gives it.
func (p Pattern) Literal() (string, bool) {
	if p.Contains || len(p.Parts) != 1 {
		return "", false
	}
	return p.Parts[0], true
}

// Match says whether s matches.
func (p Pattern) Match(s string) bool { return p.MatchLower(strings.ToLower(s)) }

// MatchLower is Match for text that is in lower case already.
func (p Pattern) MatchLower(s string) bool {
	if len(p.Parts) == 0 {
		return false
	}
	if p.Contains {
		return containsParts(s, p.Parts)
	}
	if len(p.Parts) == 1 {
		return s == p.Parts[0]
	}
	first, last := p.Parts[0], p.Parts[len(p.Parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	return containsParts(s[len(first):len(s)-len(last)], p.Parts[1:len(p.Parts)-1])
}

// containsParts finds the parts one after the other; taking the first place
// of each is right because only their order matters.
func containsParts(s string, parts []string) bool {
	for _, part := range parts {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
