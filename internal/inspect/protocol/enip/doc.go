// Package enip parses EtherNet/IP over TCP and UDP with the CIP messages that it
// carries (ODVA, The CIP Networks Library, volumes 1 and 2): encapsulation,
// identities, services, and which service is asked of which class, instance and
// attribute. It knows no devices. protocol/all lists it for the inspection engine.
package enip
