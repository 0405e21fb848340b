package rule

import "github.com/masugata/masugata/internal/inspect/protocol"

// KeywordInfo describes a keyword for `rules keywords` and docs/RULES.md.
type KeywordInfo struct {
	Name    string
	Aliases []string
	Family  string // "payload", "http" …
	Use     string // how it is written: "depth:NUMBER", "http.uri; (buffer)"
	Doc     string // what it does, in one line
	Refused bool   // known, and always refused (Lua)
}

// Keywords lists every keyword that rules may use with the given protocols.
func Keywords(specs []protocol.Spec) []KeywordInfo { return nil }
