// Package spool is a part's queue of events on its way to the control plane:
// bounded, on disk, safe against being killed at any moment. It knows how
// important an event is and its bytes, and nothing of what they mean or how
// they are sent.
//
// Events lie in append-only segments, one row of files a severity, each
// record with a checksum; whole segments are dropped, least important and
// oldest first, when the bound is reached. There are two lanes, urgent (high,
// critical) and normal, each with its own epoch and batch numbers, so that an
// urgent event never waits for the answer to a batch of ordinary ones. A
// batch is fixed (which records, under which number) in its lane's log before
// Next first returns it, and Next returns the same batch until Ack, also
// after a restart. The log has two slots that are written in turn.
//
// Called by the link's client.
package spool
