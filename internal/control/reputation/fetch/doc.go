// Package fetch gets feeds: from files, an address, a TAXII collection or a MISP
// feed with a manifest, logged in where their server wants that, and keeps the
// copies. Of collections and manifests only what changed is asked for and merged
// with the copy before. A copy is a zip archive of the feed's files, and beside
// it stands what was last fetched. The package does not know when to fetch, what
// the entries mean for the look-up, nor whether a copy should be believed:
// internal/control/reputation, which calls it, does.
package fetch
