package rule

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

func TestSCTP(t *testing.T) {
	w := newWorld(t, `
alert sctp any any -> any any (sctp.chunk_type:data; sid:1;)
alert sctp any any -> any any (sctp.chunk_type:INIT; sid:2;)
alert sctp any any -> any any (sctp.chunk_type:!data; sid:3;)
alert sctp any any -> any any (sctp.chunk_cnt:3; sid:4;)
alert sctp any any -> any any (sctp.chunk_cnt:>3; sid:5;)
alert sctp any any -> any any (sctp.vtag:0x01020304; sid:6;)
alert sctp any any -> any any (sctp.chunk_data; content:"second"; startswith; endswith; sid:7;)
alert sctp any any -> any any (sctp.chunk_data; content:"first"; content:"second"; sid:8;)
alert sctp any any -> any any (sctp.hdr; content:"second"; offset:12; sid:9;)
alert sctp any any -> any any (sctp.chunk_type:0-4; sid:10;)
`)
	data := func(s string) string {
		b := "\x00\x03\x00" + string(rune(16+len(s))) + "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00" + s
		for len(b)%4 != 0 {
			b += "\x00"
		}
		return b
	}
	body := data("first") + data("second") + "\x03\x00\x00\x04" // and a SACK too short to be one
	w.p.Proto, w.p.Has = 132, packet.HasIPv4|packet.HasSCTP
	w.f.Proto = 132
	w.p.L4 = []byte("\x00\x50\x00\x51\x01\x02\x03\x04\x00\x00\x00\x00" + body)
	w.p.L4Header, w.p.Payload = 12, w.p.L4[12:]
	w.want(&Context{}, 1, 3, 4, 6, 7, 9, 10)
	for _, cut := range []int{12, 13, 15, 16, 27, 28, 31} { // chunks cut off count for nothing
		w.p.L4 = w.p.L4[:cut:cut]
		w.want(&Context{}, 6)
		w.p.L4 = []byte("\x00\x50\x00\x51\x01\x02\x03\x04\x00\x00\x00\x00" + body)
	}
}

func TestIGMP(t *testing.T) {
	w := newWorld(t, `
alert igmp any any -> any any (igmp.type:0x16; sid:1;)
alert ip any any -> any any (igmp.type:membership_query; sid:2;)
alert ip any any -> any any (igmp.hdr; content:"|e0 00 00 fb|"; offset:4; sid:3;)
alert igmp any any -> any any (content:"|16|"; sid:4;)
alert tcp any any -> any any (ttl:64; sid:5;)
`)
	w.p.Proto, w.p.Has, w.f.Proto = 2, packet.HasIPv4, 2
	w.p.Payload = []byte{0x16, 0, 0, 0, 0xe0, 0, 0, 0xfb}
	w.want(&Context{}, 1, 3, 4)
}

// TestUniqueOn counts different ports.
func TestUniqueOn(t *testing.T) {
	w := newWorld(t, `
alert tcp any any -> any any (flags:S; detection_filter:track by_dst, count 2, seconds 60, unique_on dst_port; sid:1;)
alert tcp any any -> any any (flags:S; detection_filter:track by_dst, count 2, seconds 60; sid:2;)
`)
	w.p.TCPFlags = packet.SYN
	for _, c := range []struct {
		port uint16
		want []uint32
	}{{80, nil}, {80, nil}, {81, []uint32{2}}, {80, []uint32{2}}, {82, []uint32{1, 2}}, {80, []uint32{1, 2}}} {
		w.f.ServerPort = c.port
		w.want(&Context{}, c.want...)
	}
	w.now += 61e9
	w.want(&Context{})
}
