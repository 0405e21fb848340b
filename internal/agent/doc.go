// Package agent is the role that runs on a device or server: it sees which
// process sends what, which programs start and which files change, reports it
// over the link, and ends a process when a signed action and its own
// configuration both allow it. It wires internal/host (what the device shows
// and allows) to internal/link (who is told); the detection of its own floods
// is the pure type Detector. cmd/masugata-agent calls it.
//
// Budgets: static binary 8 MB, resident memory 12 MB; so no package with heavy
// reflection and no regular expressions are linked (held by a test).
package agent
