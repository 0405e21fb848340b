// Package packet decodes frames in place, from the link layer to TCP, UDP,
// SCTP and ICMP, without allocating. It knows headers, checksums and decoder
// events; it knows nothing of flows (internal/inspect/flow) or of what the
// payload means (internal/inspect/protocol). Reading capture files is
// packet/capture. Callers are the inspection engine and the gate.
package packet
