//go:build !race

package parsetest

// Race says whether the race detector is built in: it makes allocations of its
// own, so that tests which count them are left out.
const Race = false
