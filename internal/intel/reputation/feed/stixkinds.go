package feed

// ReadsSTIX says whether objects of a type of STIX give entries: indicators,
// observed data and the cyber-observable objects that can have a reputation.
func ReadsSTIX(kind string) bool {
	_, observable := stixSCO(kind)
	return observable || kind == "indicator" || kind == "observed-data"
}
