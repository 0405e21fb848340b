// Package bench measures the event path on the machine at hand: simulated
// agents in a process of their own report realistic events over mutual TLS to
// the real link server, which hands them to the real bus, pipeline and event
// store. It knows how to make events that look like a fleet's and how to read
// a process's use of the machine. The command line calls it; nothing else does.
package bench
