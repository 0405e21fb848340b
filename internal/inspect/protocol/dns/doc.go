// Package dns parses DNS over UDP and TCP (RFC 1035) and multicast DNS
// (RFC 6762). It knows messages, names with compression, and the record data
// that rules and logs show; it resolves and caches nothing. Every message is a
// transaction of its own, seen in its own direction only. protocol/all lists
// its two Specs for the inspection engine.
package dns
