// Package replica makes signed snapshots of what a reputation service knows, for
// look-up nodes, and brings them to such a node: from a service or a file,
// verified, only the parts that changed, the last good one kept on disk. It knows
// neither the ledger's rules nor how a snapshot comes into force.
// internal/control/reputation, which calls it, does; it uses the parts to bring
// several instances of the service in line, too.
package replica
