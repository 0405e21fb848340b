package http2

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	question = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03cam\x07example\x00\x00\x01\x00\x01"
	reply    = "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x03cam\x07example\x00\x00\x01\x00\x01\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
)

// TestDNS asks by GET and by POST and reads the answer's body.
func TestDNS(t *testing.T) {
	for name, request := range map[string]func(q *packer) string{
		"get": func(q *packer) string {
			path := "/dns-query?dns=" + base64.RawURLEncoding.EncodeToString([]byte(question))
			return frame(frameHeaders, flagEndHeaders|flagEndStream, 1, q.block(":method", "GET", ":path", path, ":scheme", "http"))
		},
		"get elsewhere": func(q *packer) string {
			path := "/other?ct=x&dns=" + base64.RawURLEncoding.EncodeToString([]byte(question))
			return frame(frameHeaders, flagEndHeaders|flagEndStream, 1, q.block(":method", "GET", ":path", path, "accept", mediaType))
		},
		"post": func(q *packer) string {
			return frame(frameHeaders, flagEndHeaders, 1, q.block(":method", "POST", ":path", "/d", "content-type", mediaType)) +
				frame(frameData, 0, 1, question[:9]) + frame(frameData, flagEndStream, 1, question[9:])
		},
	} {
		f := parsetest.Open(t, DNSSpec(), nil)
		r := newPacker()
		st := f.Send(packet.ToServer, []byte(magic+request(newPacker())))
		if st.Code != protocol.StatusRename || st.Next != protocol.DOH2 {
			t.Errorf("%s: status %+v", name, st)
		}
		if got := f.Text(0, protocol.DNSQuery, packet.ToServer, 0); got != "cam.example" || f.Tx(0).Stage(packet.ToServer) != protocol.StageDone {
			t.Errorf("%s: asks for %q, stage %v", name, got, f.Tx(0).Stage(packet.ToServer))
		}
		f.Send(packet.ToClient, []byte(frame(frameSettings, 0, 0, "")+frame(frameHeaders, flagEndHeaders, 1, r.block(":status", "200", "content-type", mediaType))+frame(frameData, flagEndStream, 1, reply)))
		if got := f.Text(0, protocol.DNSAnswersName, packet.ToClient, 0); got != "cam.example" {
			t.Errorf("%s: answers for %q", name, got)
		}
		c := f.Tx(0).(protocol.Carrier)
		for d := packet.ToServer; d <= packet.ToClient; d++ {
			if record, m := c.Carried(d); record != "dns" || !strings.Contains(string(m.AppendEve(nil, d)), `"cam.example"`) {
				t.Errorf("%s: no record of direction %v", name, d)
			}
		}
		f.Finish(nil)
	}
}

// TestNotDNS sees bodies and parameters that are no DNS.
func TestNotDNS(t *testing.T) {
	for _, pairs := range [][]string{
		{":method", "GET", ":path", "/dns-query?dns=%%%"}, {":method", "GET", ":path", "/dns-query?dns="}, {":method", "GET", ":path", "/x?dns=AAAA"},
		{":method", "GET", ":path", "/dns-query?dns=" + base64.RawURLEncoding.EncodeToString([]byte(reply))},
	} {
		f := parsetest.Open(t, DNSSpec(), nil)
		if st := f.Send(packet.ToServer, []byte(magic+frame(frameHeaders, flagEndHeaders|flagEndStream, 1, newPacker().block(pairs...)))); st.Code != protocol.StatusOK {
			t.Errorf("%v: status %+v", pairs, st)
		}
	}
}
