package packet

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// sum adds b in 16-bit words of network order to an unfolded ones' complement
// sum. It works on 64-bit words: byte order and word size do not matter to a
// ones' complement sum until it is folded.
func sum(start uint64, b []byte) uint64 {
	s, carry := start, uint64(0)
	for len(b) >= 32 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail uint64
	for i, c := range b {
		tail |= uint64(c) << (56 - 8*i)
	}
	s, carry = bits.Add64(s, tail, carry)
	for carry != 0 {
		s, carry = bits.Add64(s, 0, carry)
	}
	return s
}

// fold reduces a sum to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s&0xffff)
}

// pseudoSum is the folded sum of the pseudo header and b; 0xffff when the
// checksum in b is right.
func (p *Packet) pseudoSum(b []byte, proto uint8) uint16 {
	s := uint64(proto) + uint64(len(b))
	if p.IPVersion == 4 {
		s = sum(s, p.Src[12:])
		s = sum(s, p.Dst[12:])
	} else {
		s = sum(s, p.Src[:])
		s = sum(s, p.Dst[:])
	}
	return fold(sum(s, b))
}

// WrongIPSum says whether the checksum of the IPv4 header is wrong, also where
// the decoder was told not to verify it (RFC 791, 3.1).
func (p *Packet) WrongIPSum() bool {
	if p.BadIPSum || p.IPVersion != 4 || len(p.L3) < p.L3Header {
		return p.BadIPSum
	}
	return fold(sum(0, p.L3[:p.L3Header])) != 0xffff
}

// WrongL4Sum says whether the checksum of the TCP segment, UDP datagram, ICMP
// message or SCTP packet is wrong, also where the decoder was told not to
// verify it. A UDP datagram over IPv4 may have none (RFC 768).
func (p *Packet) WrongL4Sum() bool {
	switch {
	case p.BadL4Sum || len(p.L4) < 8:
		return p.BadL4Sum
	case p.Has&HasTCP != 0:
		return p.pseudoSum(p.L4, protoTCP) != 0xffff
	case p.Has&HasUDP != 0:
		return (p.IPVersion == 6 || be16(p.L4[6:]) != 0) && p.pseudoSum(p.L4, protoUDP) != 0xffff
	case p.Has&HasICMPv4 != 0:
		return fold(sum(0, p.L4)) != 0xffff
	case p.Has&HasICMPv6 != 0:
		return p.pseudoSum(p.L4, protoICMPv6) != 0xffff
	case p.Has&HasSCTP != 0:
		return !sctpSumOK(p.L4)
	}
	return false
}

// sctpSumOK verifies the CRC-32C of an SCTP packet, computed with the checksum
// field as zero.
func sctpSumOK(b []byte) bool {
	table := crc32.MakeTable(crc32.Castagnoli) // shared by the library, made once
	var zero [4]byte
	c := crc32.Update(0, table, b[:8])
	c = crc32.Update(c, table, zero[:])
	c = crc32.Update(c, table, b[12:])
	return c == binary.LittleEndian.Uint32(b[8:])
}
