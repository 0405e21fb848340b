// Package feed reads the published formats of reputation lists, one file a
// format, and gives each entry as a claim with its object in canonical form. It
// knows neither where a feed comes from nor what its claims are worth: the
// reputation service hands it a reader and stores what it gives.
package feed
