package rule

// headerCache remembers, for the flows of late, which headers their packets
// meet. It is a direct-mapped table: another flow in the same place takes it.
type headerCache struct {
	words   int
	entries []headerEntry
	known   []uint64 // words for each entry: the header was looked at
	met     []uint64 // and it was met
	at      int      // entry of the packet under inspection, -1 for none
}

type headerEntry struct {
	flow  uint64
	used  bool
	dir   uint8
	short shortList
}

const headerFlows = 1024 // a power of two

func (h *headerCache) reset(headers int) {
	h.words = (headers + 63) / 64
	h.entries = make([]headerEntry, headerFlows)
	h.known = make([]uint64, headerFlows*h.words)
	h.met = make([]uint64, headerFlows*h.words)
	h.at = -1
}

// begin finds the place of a packet's flow.
func (h *headerCache) begin(c *Context) {
	h.at = -1
	if c.Flow == nil || c.Packet.Depth > 0 {
		return
	}
	i := int(uint32(c.Flow.Slot)*2+uint32(c.Dir)) & (headerFlows - 1)
	e := &h.entries[i]
	if !e.used || e.flow != c.Flow.ID || e.dir != uint8(c.Dir) {
		e.flow, e.used, e.dir, e.short.made = c.Flow.ID, true, uint8(c.Dir), false
		clear(h.known[i*h.words : (i+1)*h.words])
	}
	h.at = i
}

// header says whether the packet under inspection meets a header.
func (in *Inspector) header(id uint32, c *Context) bool {
	h := &in.headers
	f := &in.facts
	if h.at < 0 || f.fragment {
		return in.set.matches(id, c.Packet, f.ports)
	}
	w, b := h.at*h.words+int(id>>6), uint64(1)<<(id&63)
	if h.known[w]&b == 0 {
		h.known[w] |= b
		h.met[w] &^= b
		if in.set.matches(id, c.Packet, f.ports) {
			h.met[w] |= b
		}
	}
	return h.met[w]&b != 0
}
