// Package dnp3 parses DNP3 over TCP and UDP (IEEE 1815): link frames with their
// checksums, transport segments, and application fragments with their object
// headers. It decodes no point values. protocol/all lists it for the inspection
// engine.
package dnp3
