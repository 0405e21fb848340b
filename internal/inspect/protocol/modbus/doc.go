// Package modbus parses Modbus over TCP (MODBUS Application Protocol V1.1b3,
// Messaging on TCP/IP V1.0b): requests with their responses, what they read and
// write, and what contradicts the standard. It knows no devices. protocol/all
// lists it for the inspection engine.
package modbus
