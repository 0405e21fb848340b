//go:build !hyperscan

package prefilter

// native is what a backend outside Go keeps in Scratch: nothing in this build.
type native struct{}

func buildBest(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	return buildPure(patterns, freq)
}
