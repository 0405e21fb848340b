// Package ike parses the Internet Key Exchange, version 1 (RFC 2408, 2409) and
// version 2 (RFC 7296), over UDP: headers, proposals, key exchange, nonces and
// vendors in clear. It decrypts nothing. protocol/all lists it for the
// inspection engine.
package ike
