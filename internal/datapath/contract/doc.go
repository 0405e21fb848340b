// Package contract is the test suite that every implementation of
// datapath.Datapath passes. It builds a device and a router in network
// namespaces of their own, puts the implementation between them, and sends
// and receives real frames. It knows nothing of how an implementation works.
// Only tests import it. It needs root; without, it skips.
package contract
