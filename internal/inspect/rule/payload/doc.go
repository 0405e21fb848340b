// Package payload matches within one buffer: contents, regular expressions,
// byte tests and jumps, sizes, base64, entropy, and the transforms that change
// a buffer before it is inspected. It knows bytes and positions; it knows
// neither rule text, nor protocols, nor where a buffer comes from. The rule
// package fills Ops from rules, compiles them into a Program for each buffer,
// and runs it on the buffers of packets and transactions.
package payload
