// Package ldap parses LDAP version 3 over TCP and UDP (RFC 4511): operations
// with what answers them, names, attributes and results. It evaluates no
// filters. protocol/all lists it for the inspection engine.
package ldap
