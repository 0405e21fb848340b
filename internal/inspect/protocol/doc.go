// Package protocol is the contract between the application layer parsers (one
// folder each below this one) and those who use what they see: the rule
// engine, the logs and the detectors. It knows protocols by number, what a
// transaction shows to rules (Field), how far it has come (Stage), the files
// it carries and the events it raised. It parses nothing itself.
// protocol/all lists every parser; the inspection engine runs them.
package protocol
