package smb

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// TestFramesOfChain checks that each request of a chained message has frames
// of its own, inside those of the session packet.
func TestFramesOfChain(t *testing.T) {
	one := message(smb2TreeConnect, 1, 0, false, make(bs, 8))[nbssSize:]
	two := message(smb2TreeConnect, 2, 0, false, make(bs, 3))[nbssSize:]
	binary.LittleEndian.PutUint32(one[20:], uint32(len(one)))
	whole := append(binary.BigEndian.AppendUint32(nil, uint32(len(one)+len(two))), append(one, two...)...)
	f := parsetest.Open(t, Spec(), nil)
	f.Send(up, whole)
	var got []string
	for _, fr := range f.Env.Frames {
		got = append(got, fmt.Sprintf("%s %d", fr.Name, len(fr.Data)))
	}
	want := "nbss.pdu 143,nbss.hdr 4,nbss.data 139,smb2.pdu 72,smb2.hdr 64,smb2.data 8,smb2.pdu 67,smb2.hdr 64,smb2.data 3"
	if s := strings.Join(got, ","); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}
