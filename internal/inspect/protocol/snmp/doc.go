// Package snmp parses SNMP versions 1, 2c and 3 (RFC 1157, 3416, 3412, 3414):
// community or user, kind of message and names of variables. It reads no values
// and decrypts nothing. protocol/all lists it for the inspection engine.
package snmp
