// Package rule is the rule language: it compiles rules into a Set and runs a
// Set over packets, streams and transactions. It knows every keyword (Keywords)
// and what each needs. Parsing of text is rule/syntax, multi-pattern search
// rule/prefilter, matching within one buffer rule/payload, memory across
// packets rule/memory. It does no I/O and knows no output format. The
// inspection engine and `masugata-gate rules` call it.
package rule
