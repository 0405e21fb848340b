// Package ledger keeps what all sources say of millions of objects in few
// bytes and scores it: one voice an owner, weighed by trust, confidence and
// age, damped by what speaks for an object, overruled by the operator's own
// lists. A feed's new edition is laid beside the old one, compared with it, and
// takes its place at once or not at all. It knows neither formats nor files nor
// the time of day; the reputation service drives it and builds the index and
// the edge sets from it.
//
// A Ledger has one writer at a time. Methods that only read (Brief, Explain,
// Each, Sources, Stats, Import.Change) may run at the same time as each other,
// never at the same time as one that writes; the caller holds the lock.
//
// # Score
//
// A claim weighs
//
//	w = trust/100 × confidence/100 × gravity(kind) × 2^-(age/half-life)
//
// where age counts from a day after the claim was last seen, the half-life is
// the kind's and is never applied to files and certificates, and a confidence of
// 0 counts as 100. Of the claims of one owner only the heaviest counts. Owners
// are joined as independent witnesses (noisy-or):
//
//	against = 1 - Π over owners (1 - w)
//
// Anonymizers are no evil by themselves: all claims of that kind together count
// no more than 0.6. An object takes the heaviest of what is said of itself and
// of each thing that covers it. What speaks for it then
// damps:
//   - Benign multiplies by (1 - w). Of a name above what is listed it counts as
//     known does, and two owners suffice to block.
//   - Known multiplies by (1 - w/4) and keeps the score below
//     reputation.DefaultBlock, unless what is said against is more exact than
//     what is known: then three owners suffice to block an address in a known
//     network, and one a name below a known name or a URL on a known host, which
//     lose only a tenth of w.
//   - Of a URL's host benign counts as known.
//
// An entry of the operator's lists decides alone; the most exact wins, and allow
// wins over deny.
package ledger
