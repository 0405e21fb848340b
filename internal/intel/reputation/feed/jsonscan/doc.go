// Package jsonscan reads JSON (RFC 8259) value by value from a stream, in memory
// that does not grow with the document: reputation lists are hundreds of
// megabytes of small objects, of which a few members are wanted. It knows the
// grammar only and not what the members mean. The readers of package feed
// call it.
package jsonscan
