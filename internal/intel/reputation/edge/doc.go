// Package edge knows the sets of bad addresses, names, URLs and files that
// gates and small devices carry: how they are chosen for a class of memory,
// written compactly, brought from one version to the next by differences, and
// searched without allocation. It knows neither how the scores came to be
// (package ledger) nor who signs and carries the sets: the control plane calls
// Build and Delta, gates and agents call Apply, Open and the look-ups.
//
// # What is in a set
//
// IPv4 and IPv6 addresses and prefixes are in it exactly. Everything else is
// there as the first 32 bits (30 in large sets) of 64 of a keyed hash (SipHash-1-3 by J.-P.
// Aumasson and D. J. Bernstein; the key is the set's), so an innocent name is
// taken for a listed one once in 2^32/n (2^30/n). A match therefore says whether it is
// Sure. The 32 bits after them are the tails, which whoever can afford them carries
// beside the set (Set.WithTails): then every match is sure. Others confirm a
// match at the control plane, or treat it with care. Two entries whose first bits are
// the same stay unsure: in a million there are some two hundred.
//
// In memory the hashes of large sets lie in lines of the cache behind a filter of
// words, those of medium ones in a compact list behind a binary fuse filter, those
// of small ones in the list alone.
//
// # Form
//
// Sorted numbers are written as Rice-coded gaps (R. F. Rice, 1979), about 13.5
// bits an entry for a million of 32 bits. A difference carries the ordinals
// that go and the numbers that come, and the digest of the outcome: applying it
// gives the very bytes of the newer set, so that set's signature covers it.
package edge
