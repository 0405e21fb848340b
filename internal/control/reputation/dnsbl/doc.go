// Package dnsbl answers the questions of mail servers and resolvers over DNS:
// lists of addresses and names after RFC 5782 and a response policy zone. It
// knows the forms of names and answers; what is listed a Source tells it.
// internal/control/reputation runs it.
package dnsbl
