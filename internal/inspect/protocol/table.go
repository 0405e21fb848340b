package protocol

import "slices"

// Fields is the table of every field that any protocol offers.
func Fields() []FieldSpec {
	return slices.Concat(fileFields(), httpFields(), http2Fields(), tlsFields(), nameFields(), mailFields(), windowsFields(), ldapFields(), industryFields())
}

// DetectionEvents are the app-layer-event names that belong to protocol
// detection rather than to a protocol ("applayer_mismatch_protocol_both_directions"
// and so on); the index is the number in rule.Context.AppEvents.
func DetectionEvents() []string {
	return []string{
		"applayer_mismatch_protocol_both_directions",
		"applayer_wrong_direction_first_data",
		"applayer_detect_protocol_only_one_direction",
		"applayer_proto_detection_skipped",
		"applayer_no_tls_after_starttls",
		"applayer_unexpected_protocol",
	}
}
