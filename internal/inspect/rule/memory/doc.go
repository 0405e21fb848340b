// Package memory is what rules remember from one packet to the next: bits and
// counters of flows, bits of hosts and pairs, thresholds and suppressions,
// tags, data sets and IP reputation. Everything is bounded, deterministic
// (time is an argument) and free of pointers in its large tables. It knows no
// rule syntax beyond its own files; package rule calls it.
package memory
