package http

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// corpus is the folder of captures, or the test is skipped.
func corpus(t *testing.T, glob string) []string {
	t.Helper()
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = "../../../../../shared/corpus"
	}
	files, _ := filepath.Glob(filepath.Join(root, glob))
	if len(files) == 0 {
		t.Skipf("no captures at %s: set MASUGATA_CORPUS", filepath.Join(root, glob))
	}
	return files
}

// segment is a TCP segment of a capture.
type segment struct {
	src, dst uint16
	flags    byte
	seq      uint32
	data     []byte
}

// segments reads the TCP segments of a classic capture of Ethernet and IPv4.
func segments(t *testing.T, name string) []segment {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil || len(b) < 24 {
		t.Fatalf("%s: %v", name, err)
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if b[0] == 0xa1 {
		order = binary.BigEndian
	}
	skip := 14
	if order.Uint32(b[20:]) == 101 {
		skip = 0
	}
	var all []segment
	for b = b[24:]; len(b) >= 16; {
		n := int(order.Uint32(b[8:]))
		p := b[16 : 16+n]
		b = b[16+n:]
		if len(p) < skip+40 || p[skip]>>4 != 4 || p[skip+9] != 6 {
			continue
		}
		p = p[skip:]
		p = p[:binary.BigEndian.Uint16(p[2:])]
		l4 := p[int(p[0]&15)*4:]
		all = append(all, segment{binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:]), l4[13], binary.BigEndian.Uint32(l4[4:]), l4[int(l4[12]>>4)*4:]})
	}
	return all
}

// replay feeds the one connection of a capture, in order, to a parser.
func (c *talk) replay(segs []segment) {
	var next [2]uint32
	var known [2]bool
	client := segs[0].src
	for len(segs) > 0 {
		i := slices.IndexFunc(segs, func(s segment) bool {
			d := direction(s, client)
			return !known[d] || s.seq == next[d]
		})
		i = max(i, 0)
		s := segs[i]
		segs = slices.Delete(segs, i, i+1)
		d := direction(s, client)
		if known[d] && int32(s.seq-next[d]) < 0 {
			continue
		}
		known[d] = true
		next[d] = s.seq + uint32(len(s.data))
		if s.flags&3 != 0 {
			next[d]++
		}
		if len(s.data) > 0 {
			c.p.Parse(d, s.data, &c.env)
		}
	}
	c.close()
}

func direction(s segment, client uint16) packet.Direction {
	if s.src == client {
		return packet.ToServer
	}
	return packet.ToClient
}

// TestEvader says of each capture of the http-evader tests whether the test
// file inside is seen.
func TestEvader(t *testing.T) {
	for _, name := range corpus(t, "suricata-verify/tests/http-evader/*/input.pcap") {
		evade(t, name)
	}
}

func evade(t *testing.T, name string) {
	c := begin(t, settings{"libhtp.default-config.response-body-decompress-layer-limit": "3", "libhtp.default-config.lzma-enabled": "yes"})
	c.replay(slices.Clone(segments(t, name)))
	seen := 0
	events := ""
	for i := range c.p.Txs() {
		for _, f := range c.tx(i).Files(packet.ToClient) {
			if bytes.Contains(f.Data.Data, []byte("EICAR-STANDARD-ANTIVIRUS-TEST-FILE")) && bytes.Contains(f.Data.Data, []byte("X5O!P%@AP[4")) {
				seen++
			}
		}
		events += c.events(i) + " "
	}
	if seen != 1 {
		w, _ := c.tx(0).Window(protocol.HTTPResponseBody, 1, 0)
		t.Errorf("%s: seen %d times, events %s\n%.300q\n%.200q", name, seen, events, c.tx(0).msg[1].headers.raw, w.Data)
	}
}
