package framer

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func TestFrames(t *testing.T) {
	var f Framer
	var env protocol.Env
	f.Call()
	f.Add([]byte("hd"))
	f.Call()
	f.Add([]byte("data"))
	f.Emit(&env, packet.ToClient, 2, Names{Head: "hdr", Data: "data", All: "pdu"})
	f.Add([]byte("h2"))
	f.Emit(&env, packet.ToServer, 2, Names{Head: "hdr", Data: "data", All: "pdu"})
	want := []string{"pdu hddata", "hdr hd", "data data", "pdu h2", "hdr h2"}
	if len(env.Frames) != len(want) {
		t.Fatalf("%d frames", len(env.Frames))
	}
	for i, w := range want {
		if got := env.Frames[i].Name + " " + string(env.Frames[i].Data); got != w {
			t.Errorf("frame %d is %q, want %q", i, got, w)
		}
	}
}
