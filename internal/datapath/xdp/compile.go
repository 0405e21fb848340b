package xdp

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/model"
)

// compiledRule is a rule as the kernel has it: its content, the fields it is
// found by, and the masked values of those.
type compiledRule struct {
	rule  rule
	tuple tuple
	key   ruleKey // without tuple number and generation
}

// limitBurst is which part of a second's packets a limit lets through at once.
const limitBurst = 10

func checkRule(r *datapath.Rule) error {
	s := &r.Shape
	switch {
	case r.ID == 0:
		return errors.New("ID 0 is not used")
	case r.Verdict > datapath.VerdictLimit:
		return fmt.Errorf("verdict %d is not known", r.Verdict)
	case r.Verdict == datapath.VerdictLimit && r.PPS == 0:
		return errors.New("a limit needs at least 1 packet a second")
	case s.LenMax != 0 && s.LenMin > s.LenMax:
		return fmt.Errorf("length %d to %d is empty", s.LenMin, s.LenMax)
	case s.TCPFlags&^s.TCPMask != 0:
		return fmt.Errorf("TCP flags %#02x outside of mask %#02x never match", s.TCPFlags, s.TCPMask)
	case s.TCPMask != 0 && s.Proto != 0 && s.Proto != 6:
		return fmt.Errorf("TCP flags with protocol %d never match", s.Proto)
	case s.Dst != (netip.Prefix{}) && !s.Dst.IsValid():
		return fmt.Errorf("destination %v is not a prefix", s.Dst)
	case s.Dst.Addr().Zone() != "":
		return fmt.Errorf("destination %v has a zone", s.Dst)
	}
	return nil
}

func compileRule(r *datapath.Rule, clock *clock) (c compiledRule, err error) {
	if err := checkRule(r); err != nil {
		return c, err
	}
	s := &r.Shape
	c.rule = rule{
		Device: keyWord(r.Device), ID: uint32(r.ID), PPS: r.PPS, Dport: s.DstPort, Sport: s.SrcPort,
		LenMin: s.LenMin, LenMax: s.LenMax, Proto: s.Proto, Verdict: uint8(r.Verdict),
		TCPFlags: s.TCPFlags, TCPMask: s.TCPMask, Used: 1,
	}
	if s.Spoofed {
		c.rule.Spoofed = 1
	}
	if !r.Deadline.IsZero() {
		c.rule.DeadlineWall, c.rule.Deadline = r.Deadline.UnixNano(), clock.kernel(r.Deadline)
	}
	if r.Verdict == datapath.VerdictLimit {
		c.rule.Interval = max(uint64(time.Second)/uint64(r.PPS), 1)
		c.rule.Tolerance = uint64(max(r.PPS/limitBurst, 1)-1) * c.rule.Interval
	}
	c.compileDst(s.Dst)
	c.key.Device, c.tuple.DeviceMask = c.rule.Device, mask(c.rule.Device != 0, ^uint64(0))
	c.key.Dport, c.tuple.DportMask = s.DstPort, mask(s.DstPort != 0, ^uint16(0))
	c.key.Sport, c.tuple.SportMask = s.SrcPort, mask(s.SrcPort != 0, ^uint16(0))
	c.key.Proto, c.tuple.ProtoMask = s.Proto, mask(s.Proto != 0, ^uint8(0))
	return c, nil
}

func mask[T uint8 | uint16 | uint64](on bool, all T) T {
	if on {
		return all
	}
	return 0
}

func (c *compiledRule) compileDst(dst netip.Prefix) {
	if dst == (netip.Prefix{}) {
		return
	}
	dst = plainPrefix(dst)
	prefix, bits := prefixMask(dst)
	c.rule.Dst, c.rule.DstBits = prefix, uint8(dst.Bits())
	c.rule.DstFamily = 6
	if dst.Addr().Is4() {
		c.rule.DstFamily = 4
	}
	c.key.Dst, c.tuple.DstMask = prefix, bits
	c.key.Family, c.tuple.FamilyMask = c.rule.DstFamily, 0xff
}

// plainPrefix masks the prefix and turns a mapped IPv4 one into IPv4.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// prefixMask gives the prefix's address and mask as the programs hold them.
func prefixMask(p netip.Prefix) (address, bits addr) {
	n := p.Bits()
	if p.Addr().Is4() {
		n += 96
	}
	var m [16]byte
	for i := range m {
		m[i] = ^byte(0xff >> min(max(n-8*i, 0), 8))
	}
	return addrOf(p.Addr().As16()), addrOf(m)
}

func decompileRule(k *rule) datapath.Rule {
	r := datapath.Rule{
		ID: datapath.RuleID(k.ID), Device: wordKey(k.Device), Verdict: datapath.Verdict(k.Verdict), PPS: k.PPS,
		Shape: model.Shape{
			Proto: k.Proto, DstPort: k.Dport, SrcPort: k.Sport, LenMin: k.LenMin, LenMax: k.LenMax,
			TCPFlags: k.TCPFlags, TCPMask: k.TCPMask, Spoofed: k.Spoofed != 0,
		},
	}
	if k.DstFamily != 0 {
		r.Shape.Dst = netip.PrefixFrom(netipAddr(k.Dst, k.DstFamily), int(k.DstBits))
	}
	if k.DeadlineWall != 0 {
		r.Deadline = time.Unix(0, k.DeadlineWall)
	}
	return r
}
