package flow

// half is one direction of a TCP session: the bytes that one side sends. Stream
// offsets count from 0 at the byte after the SYN.
type half struct {
	isn       uint32 // sequence number of the SYN
	nextSeq   uint32 // next sequence number that the sender will use
	lastAck   uint32 // highest acknowledgement taken from the other side
	nextWin   uint32 // right edge of what the other side lets it send
	window    uint32 // the other side's window, scaled
	lastTS    uint32 // timestamp option last taken
	inspect   uint32 // bytes before the right edge that raw inspection wants to see again
	lastTSat  int64  // when, nanoseconds
	baseSeq   uint32 // sequence number at offset next
	buf       block  // bytes [bufOff, next), without those of the gap
	bufAt     uint32 // where bufOff is in buf
	bufLen    uint32 // bytes in buf
	segFirst  int32  // segments by offset: those in buf not yet delivered, then those out of order; -1 is none
	segLast   int32
	segOOO    int32  // first segment out of order, -1 is none
	segCount  int32  // segments out of order
	segBytes  uint32 // bytes held by segments out of order
	urgent    uint32 // urgent bytes taken out
	next      uint64 // stream offset of the next byte expected in order
	app       uint64 // delivered up to here
	raw       uint64 // inspected as raw stream up to here
	bufOff    uint64
	gapAt     uint64 // where the last gap that buf spans begins
	gapLen    uint64 // 0 when buf spans none
	flags     halfFlags
	wscale    uint8
	os        OS
	tcpFlags  uint8
	rawTarget uint64 // inline: right edge of the packet's own bytes; else of what Raw gave last
	depth     uint64 // stream depth + 1 of its own, 0 is that of the settings
	finSeq    uint32
}

type halfFlags uint16

const (
	halfTimestamp  halfFlags = 1 << iota // timestamps are in use
	halfZeroTS                           // its first timestamp was zero
	halfReset                            // it has sent a reset that was taken
	halfKeepAlive                        // a keep-alive of it awaits its answer
	halfDepth                            // depth reached
	halfEnded                            // Consumer.End was called
	halfTriggerRaw                       // inspect raw at the next chance
	halfLastRaw                          // inspect raw a last time, though the flow's payload is opaque now
	halfFin                              // its FIN was taken; finSeq is valid
	halfHasData                          // bytes were taken
	halfWScale                           // its SYN carried a window scale
	halfClosing                          // the flow ends: everything is due
)

// SessionBytes is the memory of a TCP session without its stream's bytes.
const SessionBytes = 360

// session is a TCP session. Entries live in chunks and hold no pointers.
type session struct {
	half   [2]half
	flow   int32 // slot of its flow
	queue  int32 // other SYNs or SYN/ACKs seen, -1 is none
	queued int32
	misses uint32 // the table's when it began
	state  TCPState
	prev   TCPState // state before a reset closed it
	flags  sessionFlags
	used   bool
}

type sessionFlags uint16

const (
	sessMidstream sessionFlags = 1 << iota
	sessMidSynack              // picked up at a SYN/ACK
	sessMidEstablished
	sessAsync
	sess4whs
	sessTimestamp // the SYN carried timestamps
	sessFastOpen
	sessTFOIgnored
	sessEvasion   // right sequence, wrong acknowledgement while a handshake was under way
	sessConfirmed // the handshake was seen whole
	sessReset     // closed by a reset
	sessTFOData
)

// seq arithmetic modulo 2^32 (RFC 9293, section 3.4).
func seqLT(a, b uint32) bool  { return int32(a-b) < 0 }
func seqLEQ(a, b uint32) bool { return int32(a-b) <= 0 }
func seqGT(a, b uint32) bool  { return int32(a-b) > 0 }
func seqGEQ(a, b uint32) bool { return int32(a-b) >= 0 }

// begin sets the sequence number of the half's SYN.
func (h *half) begin(isn uint32) {
	h.isn, h.nextSeq, h.lastAck, h.baseSeq = isn, isn+1, isn+1, isn+1
}

// offset is the stream offset of a sequence number near the right edge.
// It may be before the stream's first byte: then it is negative.
func (h *half) offset(seq uint32) int64 { return int64(h.next) + int64(int32(seq-h.baseSeq)) }

// acked is the stream offset up to which the other side has taken the bytes.
func (h *half) acked() uint64 {
	off := h.offset(h.lastAck)
	if h.flags&halfFin != 0 && seqGT(h.lastAck, h.finSeq) {
		off = h.offset(h.finSeq)
	}
	return uint64(max(off, 0))
}

// heldSegment is a piece of the stream as it came: in the half's buffer when
// blk is none, else out of order in a block of its own.
type heldSegment struct {
	off        uint64
	len        uint32
	blk        block
	prev, next int32
}

// otherSyn is a SYN or SYN/ACK that came besides the first of its session.
type otherSyn struct {
	seq, ack, ts uint32
	next         int32
	win          uint16
	wscale       uint8
	hasTS        bool
}

const chunkSize = 1024

// slab hands out numbered records that do not move. Records must hold no pointers.
type slab[T any] struct {
	chunks []*[chunkSize]T
	free   []int32
	used   int
}

func (s *slab[T]) at(i int32) *T { return &s.chunks[uint32(i)/chunkSize][uint32(i)%chunkSize] }

// take gives the number of a record, whose content is left over.
func (s *slab[T]) take() int32 {
	if len(s.free) == 0 {
		base := int32(len(s.chunks) * chunkSize)
		s.chunks = append(s.chunks, new([chunkSize]T))
		for i := int32(chunkSize - 1); i >= 0; i-- {
			s.free = append(s.free, base+i)
		}
	}
	i := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.used++
	return i
}

func (s *slab[T]) give(i int32) {
	s.free = append(s.free, i)
	s.used--
}
