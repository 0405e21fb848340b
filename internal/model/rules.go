package model

// RuleFile is one file of inspection rules (the Suricata rule language) as the
// control plane sends it to agents.
type RuleFile struct {
	Name string // as its author named it, for messages
	Text string
}
