// Package control is the role of `masugata serve`: it wires link, bus, event
// and state store, correlation and console into the control plane and runs
// them in one process with one data folder. Together with the other roles it
// is the only place where parts meet; it decides nothing itself.
package control
