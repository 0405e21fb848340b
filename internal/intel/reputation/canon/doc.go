// Package canon brings what people and feeds write into the one form that
// package reputation compares: addresses and prefixes, AS numbers, names, URLs,
// hashes, fingerprints, mail addresses, devices. It says what is wrong with
// text that is none of these and how to mend it. It also names what covers a
// thing: the names above a name, the expressions of a URL. It knows nothing of
// what is listed; feeds, ledger, index and the service call it.
//
// All functions are pure and may be called from several goroutines at once.
// Returned texts may share memory with the argument; whoever keeps them clones
// them.
package canon
