package prefilter

func buildPure(patterns []Pattern, freq *Frequencies) (Searcher, error) {
	return newNaive(patterns), nil
}
