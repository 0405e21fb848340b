// Package server is the control plane's end of the link: it ends TLS, knows
// each caller by its certificate, refuses revoked ones at once, gives
// certificates for tokens, checks batches cheaply and hands them to a sink
// that makes them durable, and lets parts wait for newer signed sets. It
// declares what it needs from others as small interfaces and knows nothing of
// the bus, the stores or the console.
//
// Called by internal/control.
package server
