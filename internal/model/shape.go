package model

import (
	"net/netip"
	"strconv"
	"strings"
)

// Covers says whether every packet that o matches is matched by s too.
func (s Shape) Covers(o Shape) bool {
	if s.Proto != 0 && s.Proto != o.Proto {
		return false
	}
	if s.Dst.IsValid() && (!o.Dst.IsValid() || s.Dst.Bits() > o.Dst.Bits() || !s.Dst.Overlaps(o.Dst)) {
		return false
	}
	if s.DstPort != 0 && s.DstPort != o.DstPort || s.SrcPort != 0 && s.SrcPort != o.SrcPort {
		return false
	}
	if s.LenMin > o.LenMin || s.LenMax != 0 && (o.LenMax == 0 || s.LenMax < o.LenMax) {
		return false
	}
	if s.TCPMask&o.TCPMask != s.TCPMask || s.TCPFlags != o.TCPFlags&s.TCPMask {
		return false
	}
	return !s.Spoofed || o.Spoofed
}

// SameTraffic says whether two shapes differ at most in the packet length, so
// that Join of them is still about the same traffic.
func (s Shape) SameTraffic(o Shape) bool {
	s.LenMin, s.LenMax, o.LenMin, o.LenMax = 0, 0, 0, 0
	return s == o
}

// Join widens the lengths of s so that it covers o as well. Both must be
// SameTraffic.
func (s Shape) Join(o Shape) Shape {
	s.LenMin = min(s.LenMin, o.LenMin)
	if s.LenMax != 0 && (o.LenMax == 0 || o.LenMax > s.LenMax) {
		s.LenMax = o.LenMax
	}
	return s
}

// protoNames are the protocols that people call by name.
var protoNames = map[uint8]string{1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 58: "ICMPv6", 132: "SCTP"}

// String says the shape in a few words, such as
// "UDP to 203.0.113.10 port 9000, 540 bytes".
func (s Shape) String() string {
	var b strings.Builder
	switch name := protoNames[s.Proto]; {
	case s.Proto == 0:
		b.WriteString("anything")
	case name != "":
		b.WriteString(name)
	default:
		b.WriteString("IP protocol " + strconv.Itoa(int(s.Proto)))
	}
	if s.TCPMask != 0 {
		b.WriteString(" " + flagNames(s.TCPFlags, s.TCPMask))
	}
	if s.Spoofed {
		b.WriteString(" from forged sources")
	}
	if s.Dst.IsValid() {
		b.WriteString(" to " + PrefixText(s.Dst))
	}
	if s.DstPort != 0 {
		b.WriteString(" port " + strconv.Itoa(int(s.DstPort)))
	}
	if s.SrcPort != 0 {
		b.WriteString(" from port " + strconv.Itoa(int(s.SrcPort)))
	}
	b.WriteString(lengthText(s.LenMin, s.LenMax))
	return b.String()
}

func lengthText(lo, hi uint16) string {
	l, h := strconv.Itoa(int(lo)), strconv.Itoa(int(hi))
	switch {
	case lo == 0 && hi == 0:
		return ""
	case lo == hi:
		return ", " + l + " bytes"
	case hi == 0:
		return ", " + l + " bytes or more"
	case lo == 0:
		return ", at most " + h + " bytes"
	}
	return ", " + l + " to " + h + " bytes"
}

func flagNames(flags, mask uint8) string {
	names := [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}
	var set, clear []string
	for i, n := range names {
		bit := uint8(1) << i
		switch {
		case mask&bit == 0:
		case flags&bit != 0:
			set = append(set, n)
		default:
			clear = append(clear, n)
		}
	}
	text := strings.Join(set, "+")
	if len(clear) > 0 && len(set) == 0 {
		text = "without " + strings.Join(clear, ", ")
	}
	return text
}

// PrefixText writes a prefix of a single address as the address alone.
func PrefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return "any address"
	}
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
