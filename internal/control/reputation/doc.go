// Package reputation runs the reputation service: it has feeds fetched on time,
// holds back those that turn bad, feeds the ledger and swaps the look-up index,
// and keeps the operator's own lists. It knows no format of feeds and no scoring
// (internal/intel/reputation does), not how copies of feeds are got (its package
// fetch does) and no HTTP (internal/console/rest does). internal/control runs it
// inside `masugata serve` and alone as `masugata reputation serve`.
package reputation
