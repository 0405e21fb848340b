package nfs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// TestFrames checks where the frames of calls and replies begin and end, with
// and without record marks.
func TestFrames(t *testing.T) {
	names := func(f *parsetest.Flow, d packet.Direction, data []byte) string {
		f.Send(d, data)
		var got []string
		for _, fr := range f.Env.Frames {
			got = append(got, fmt.Sprintf("%s %d", fr.Name, len(fr.Data)))
		}
		return strings.Join(got, ",")
	}
	call, reply := rpcCall(1, 3, v3Lookup, "dir", "f.txt"), rpcReply(1, 0, "handle")
	four := rpcCall(2, 4, 1, "", 0, 0, 0)
	for _, udp := range []bool{false, true} {
		f := parsetest.Open(t, Spec(), nil)
		f.Env.UDP = udp
		mark, wire := 4, func(b []byte) []byte { return marked(b) }
		if udp {
			mark, wire = 0, func(b []byte) []byte { return b }
		}
		for _, x := range []struct {
			d    packet.Direction
			data []byte
			want string
		}{
			{up, call, fmt.Sprintf("rpc.pdu %d,rpc.creds 32,nfs.pdu %d", len(call)+mark, len(call)-64)},
			{down, reply, fmt.Sprintf("rpc.pdu %d,rpc.hdr %d,rpc.data %d,nfs.pdu %d,nfs.status 4", len(reply)+mark, 8+mark, len(reply)-8, len(reply)-24)},
			{up, four, fmt.Sprintf("rpc.pdu %d,rpc.creds 32,nfs4.pdu 16,nfs4.hdr 8,nfs4.ops 8", len(four)+mark)},
		} {
			if got := names(f, x.d, wire(x.data)); got != x.want {
				t.Errorf("udp %v: got %s, want %s", udp, got, x.want)
			}
		}
	}
}
