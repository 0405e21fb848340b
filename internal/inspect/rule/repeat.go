package rule

import "github.com/masugata/masugata/internal/inspect/protocol"

// repeatFrom is the stage beyond which a rule about transactions fires again
// with every further inspection until the transaction is done, StageDone when
// it fires once. Suricata keeps no note of a match when the string that selects
// the rule lies in a buffer that was complete before, because the rule is not
// selected again; rules whose only strings are negated are selected always, so
// they match again. Of rules about bodies and files it keeps a note. Alerts shall be the same.
func repeatFrom(r *rule) protocol.Stage {
	stage, longest, plain := protocol.StageDone, 0, false
	for i := range r.steps {
		s := &r.steps[i]
		if s.kind == stepStream || s.kind == stepFile {
			return protocol.StageDone
		}
		if s.program == nil {
			continue
		}
		n, hasPlain, asked := s.program.Negated()
		if asked {
			if hasPlain {
				return protocol.StageDone
			}
			return s.stage
		}
		plain = plain || hasPlain
		if n > longest && s.kind != stepPayload {
			stage, longest = s.stage, n
		}
	}
	if plain {
		return protocol.StageDone
	}
	return stage
}
