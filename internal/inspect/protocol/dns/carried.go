package dns

import "github.com/masugata/masugata/internal/inspect/packet"

// Read takes a message that another protocol carries (RFC 8484) and says
// whether it is one, as d should have it. What t was before is forgotten.
func (t *Tx) Read(d packet.Direction, msg []byte) bool {
	t.Clear(0)
	head, ok := parseHeader(msg)
	if !ok || !head.plausible(len(msg)) || head.response() != (d == packet.ToClient) {
		return false
	}
	t.dir, t.version = d, 2
	return t.fill(msg)
}
