// Package prefilter finds which of many byte patterns occur in a buffer. It
// knows patterns and buffers; it knows no rules, no keywords and no protocols.
// The rule package builds one Searcher for each kind of buffer and scans every
// buffer once, so that only rules whose longest literal occurs are evaluated.
package prefilter
