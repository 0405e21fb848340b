package feed

import "bytes"

// isSTIX knows bundles, envelopes and arrays of STIX objects.
func isSTIX(head []byte) bool {
	has := func(s string) bool { return bytes.Contains(head, []byte(s)) }
	if head[0] != '{' && head[0] != '[' {
		return false
	}
	return has(`"spec_version"`) || has(`"bundle--`) || has(`"indicator--`) || has(`"pattern_type"`)
}

// isMISP knows events and lists of attributes.
func isMISP(head []byte) bool {
	has := func(s string) bool { return bytes.Contains(head, []byte(s)) }
	if head[0] != '{' && head[0] != '[' {
		return false
	}
	return has(`"Event"`) || has(`"Attribute"`) && has(`"to_ids"`)
}
