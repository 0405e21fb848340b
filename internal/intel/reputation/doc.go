// Package reputation says how much is known against (or for) addresses, names,
// URLs and files: its words are Object, Claim, Source and Verdict. Claims come
// from feeds (package feed) and from our own sensors (package consensus), are
// kept and scored by a ledger (package ledger), searched through an index
// (package index), and sent to gates and small devices as edge sets (package
// edge). It knows neither files nor the network nor the time of day.
package reputation
