// Package client is the agent's and the gate's end of the link: it enrols,
// keeps the certificate fresh, sends events from the spool in order of
// importance and the part's state once a second, and receives signed sets,
// which it verifies, keeps on disk and hands to the part. It speaks the
// Connect protocol over an HTTP/1.1 of its own (http1.go) to stay small, and
// knows nothing of what events mean.
//
// Called by internal/agent and internal/gate.
package client
