// Package chaos kills the control plane and reporting parts with SIGKILL,
// again and again, while they work, and then counts: every event that a part
// knew to be acknowledged, or that it had written to its spool, is in the
// event store exactly once, and nothing is in it twice.
//
// The processes are real ones: the control plane is `masugata serve` (this
// test's own binary run with that command, or the binary in the folder that
// MASUGATA_BIN names), the parts are this binary with the link's client,
// identity and spool. All talk over mutual TLS on loopback.
//
// A plain run makes 12 kills; MASUGATA_LONG=1 makes 1,000 and MASUGATA_KILLS
// any number. MASUGATA_SEED repeats the choice of victims and moments.
package chaos
