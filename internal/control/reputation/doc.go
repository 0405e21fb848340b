// Package reputation runs the reputation service: it fetches feeds on time,
// holds back those that turn bad, keeps their last good copies, feeds the
// ledger and swaps the look-up index, and keeps the operator's own lists. It
// knows no format of feeds and no scoring (internal/intel/reputation does) and
// no HTTP (internal/console/rest does). internal/control runs it inside
// `masugata serve` and alone as `masugata reputation serve`.
package reputation
