// Package engine is the pipeline from frames to verdicts and records: packet ▶
// flow ▶ protocol ▶ rule. It knows the order of things and the eve.json layout;
// it opens no file and no device: frames, rules and time come in by calls,
// records go out through a Sink. `masugata-gate read` and the gate's inline
// inspection call it, one Engine a goroutine.
package engine
