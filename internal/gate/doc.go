// Package gate is the role that protects a network from the wire: it opens
// the data path between two ports, reads its counters ten times a second,
// lets internal/detect/flood judge them, turns verdicts and the control
// plane's actions into rules, and reports what it saw and stopped. It knows
// how the parts meet and nothing of how floods are told (detect/flood), how
// packets are dropped (datapath) or how reports travel (link). Only
// cmd/masugata-gate calls it.
package gate
