// Package mqtt parses MQTT 3.1, 3.1.1 and 5 (OASIS standards). It knows control
// packets and which belong together: a connection with its answer, a
// publication or subscription with its acknowledgements. It keeps no sessions
// or topics across connections. protocol/all lists it for the inspection engine.
package mqtt
