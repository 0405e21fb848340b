// Package flow knows which packets belong together: the flow table, IP
// defragmentation, the TCP state of both ends and the reassembled streams with
// their events. It keeps no pointers in its tables and holds a hard memory
// bound. It does not know what the bytes mean: it hands them to a Consumer.
// The inspection engine calls it, one Table a goroutine.
package flow
