package number

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func TestParse(t *testing.T) {
	names := map[string]uint64{"connect": 1, "publish": 3}
	for _, c := range []struct {
		arg string
		yes []uint64
		no  []uint64
	}{
		{"5", []uint64{5}, []uint64{4}}, {"=0x13", []uint64{19}, []uint64{0}}, {"!0x14", []uint64{1}, []uint64{20}},
		{"!=20", []uint64{1}, []uint64{20}}, {">21", []uint64{22}, []uint64{21}}, {">=21", []uint64{21}, []uint64{20}},
		{"< 3", []uint64{2}, []uint64{3}}, {"<=3", []uint64{3}, []uint64{4}}, {"19-22", []uint64{20, 21}, []uint64{19, 22}},
		{"1<>4", []uint64{2}, []uint64{1, 4}}, {"!19-22", []uint64{19, 22}, []uint64{20}},
		{"&0xc0=0x80", []uint64{0x81}, []uint64{0xc0}}, {"&0xc0!=0", []uint64{0x40}, []uint64{1}},
		{"CONNECT", []uint64{1}, []uint64{3}}, {"!publish", []uint64{1}, []uint64{3}}, {"1kb", []uint64{1024}, []uint64{1}},
	} {
		test, err := Parse(c.arg, 16, names)
		if err != nil {
			t.Errorf("%q: %v", c.arg, err)
			continue
		}
		for _, v := range c.yes {
			if !test.Match(v) {
				t.Errorf("%q does not match %d", c.arg, v)
			}
		}
		for _, v := range c.no {
			if test.Match(v) {
				t.Errorf("%q matches %d", c.arg, v)
			}
		}
	}
	for _, bad := range []string{"", "70000", "x", "5-5", "5-6", "!>3", "&3=4", "&3", "-1", "1kbb"} {
		if _, err := Parse(bad, 16, names); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

type values []uint64

func (v values) Uint(_ protocol.Field, _ packet.Direction, i int) (uint64, bool) {
	if i >= len(v) {
		return 0, false
	}
	return v[i], true
}
func (values) Stage(packet.Direction) protocol.Stage { return protocol.StageDone }
func (values) Bytes(protocol.Field, packet.Direction, int) ([]byte, bool) {
	return nil, false
}
func (values) Window(protocol.Field, packet.Direction, int) (protocol.Window, bool) {
	return protocol.Window{}, false
}
func (values) Files(packet.Direction) []*protocol.File { return nil }
func (values) Inspection() *protocol.Inspection        { return nil }

func TestSeveral(t *testing.T) {
	six := values{1, 2, 3, 4, 5, 6}
	for _, c := range []struct {
		arg  string
		v    values
		want bool
	}{
		{"4", six, true}, {"9", six, false}, {"<9,all", six, true}, {"<6,all", six, false}, {"1,all", nil, false},
		{"1,all_or_absent", nil, true}, {"1,or_absent", nil, true}, {"9,or_absent", six, false}, {">3,nb3", six, true},
		{">3,nb>3", six, false}, {"1,0", six, true}, {"6,-1", six, true}, {"6,-7", six, false}, {"6,oob_or6", six, true},
		{"3,any,2:4", six, true}, {"5,any,2:4", six, false}, {"5,any,-4:-1", six, true}, {"6,any,3:-1", six, false},
		{"<7,all,2:9", six, false}, {"count>5", six, true}, {"count 6", six, true}, {"count<6", six, false},
	} {
		s, err := ParseSeveral(c.arg, 32, nil)
		if err != nil {
			t.Errorf("%q: %v", c.arg, err)
			continue
		}
		if got := s.Match(c.v, 0, packet.ToServer); got != c.want {
			t.Errorf("%q on %v: %v", c.arg, c.v, got)
		}
	}
	for _, bad := range []string{"1,some", "1,2,3", "1,any,2:x", "1,any,1:2,3", "count"} {
		if _, err := ParseSeveral(bad, 32, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestFlags(t *testing.T) {
	names := map[string]uint64{"dup": 8, "retain": 1}
	f, err := ParseFlags("!retain, !dup", 8, names)
	if err != nil || !f.Match(6) || f.Match(1) || f.Match(8) {
		t.Fatalf("%+v %v", f, err)
	}
	if _, err := ParseFlags("dup,other", 8, names); err == nil {
		t.Fatal("an unknown flag was taken")
	}
}
