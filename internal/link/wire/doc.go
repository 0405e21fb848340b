// Package wire knows the bytes of the link: how the words of internal/model
// become the messages of api/link/v1 and come back, with bounds on everything
// that another machine sent. It writes and reads them field by field, without
// the generated types: events are the bulk of the traffic, and agents save
// the 1.7 MB of the protobuf runtime. It knows
// nothing of connections, files or trust.
//
// Called by the link's client, server and spool, by the ingest pipeline (to
// decode batches from the bus) and by whoever makes or reads signed sets.
// All functions are safe for concurrent use; a Decoder is not.
package wire
