// Package index answers what is known of addresses, names, URLs and hashes: an
// immutable table of objects and their briefs, built from a ledger and asked by
// any number of goroutines without locks or allocations. It knows nothing of
// sources, reasons or time; it also has the compact formats in which many
// questions, or questions that hide what is asked, travel. The reputation role
// builds a new Index after imports and swaps it in.
package index
