package inline

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/masugata/masugata/internal/datapath/contract"
)

// FuzzNoSuchName: whatever a datagram holds, what is answered is a message that
// another reader takes, with the question that was asked.
func FuzzNoSuchName(f *testing.F) {
	for _, q := range []*dns.Msg{
		new(dns.Msg).SetQuestion("evil.example.", dns.TypeA), new(dns.Msg).SetQuestion(".", dns.TypeNS),
		new(dns.Msg).SetQuestion("a.very.long.name.of.a.server.that.commands.evil.example.", dns.TypeAAAA).SetEdns0(1232, true),
	} {
		b, err := q.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-3])
		rr, err := dns.NewRR("evil.example. 60 IN CNAME other.example.")
		if err != nil {
			f.Fatal(err)
		}
		a := new(dns.Msg).SetReply(q)
		a.Answer = append(a.Answer, rr)
		if b, err = a.Pack(); err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		frame := contract.Frame{Payload: query[:min(len(query), 1400)], SrcPort: 4000, DstPort: 53}.Build()
		h, ok := readHeads(frame)
		if !ok {
			t.Fatal("the frame is not read")
		}
		var buf [512]byte
		out, back := noSuchName(buf[:], frame, &h)
		if out == nil {
			return
		}
		a, ok := readHeads(out)
		if !ok || (a.srcPort == 53) != back || (a.dstPort == 4000) != back {
			t.Fatalf("answer %x", out)
		}
		var m dns.Msg
		if err := m.Unpack(out[a.payload:a.end]); err != nil {
			if m.Unpack(query) != nil {
				return // the question's name or type is one that the reader does not take either
			}
			t.Fatalf("%v in %x", err, out[a.payload:a.end])
		}
		if m.Rcode != dns.RcodeNameError || !m.Response || len(m.Question) != 1 || len(m.Answer) != 0 {
			t.Fatalf("answer %v", &m)
		}
	})
}
