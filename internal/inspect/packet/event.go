package packet

// Events is a set of decoder events, by Event number.
type Events [4]uint64

// Event is a decoder event: something wrong with a packet's headers. Rules
// name them in decode-event ("ipv4.pkt_too_small").
type Event uint8

// Set adds an event.
func (e *Events) Set(n Event) { e[n>>6] |= 1 << (n & 63) }

// Has says whether an event is in the set.
func (e *Events) Has(n Event) bool { return e[n>>6]&(1<<(n&63)) != 0 }

// Empty says whether the set is empty.
func (e *Events) Empty() bool { return e[0]|e[1]|e[2]|e[3] == 0 }
