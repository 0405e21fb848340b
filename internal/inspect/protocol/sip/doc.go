// Package sip parses SIP over UDP and TCP (RFC 3261) with the session
// descriptions that its messages carry (SDP, RFC 8866). Every message is a
// transaction of its own. It follows neither dialogs nor media. protocol/all
// lists it for the inspection engine.
package sip
