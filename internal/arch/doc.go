// Package arch holds the tests of the project's structure: who may import
// whom, that every package says what it knows, what the small programs link,
// and how large they are. It has no code of its own.
package arch
