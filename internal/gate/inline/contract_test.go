package inline

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/datapath/xdp"
	"github.com/masugata/masugata/internal/model"
)

// inspected is a data path behind which everything that passes is inspected.
type inspected struct {
	*xdp.Datapath
	stop func()
}

func (d *inspected) Detach() error { d.stop(); return d.Datapath.Detach() }
func (d *inspected) Close() error  { d.stop(); return d.Datapath.Close() }

// Totals has what the inspection forwarded among the forwarded, which all
// that the suite sends is.
func (d *inspected) Totals() (datapath.Totals, error) {
	t, err := d.Datapath.Totals()
	t.Forwarded += t.Inspected
	return t, err
}

// open puts a data path and an inspection of it between the rig's ports.
func open(t testing.TB, dir, rules string, mode model.Mode) (*inspected, *Inspection) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.rules")
	if err := os.WriteFile(file, []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := New(Config{
		Inside: contract.InsidePort, Outside: contract.OutsidePort, Rules: []string{file}, Modes: Modes{All: mode}, Flows: 4096, Memory: 16 << 20,
		// The suite's frames have no checksums, and are of no real sessions.
		Settings: map[string]string{"stream.checksum-validation": "no", "stream.drop-invalid": "no"},
		Log:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := xdp.Open(xdp.Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, PinDir: dir})
	if err != nil {
		t.Skipf("needs XDP: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	v, err := d.Verdicts()
	if err == nil {
		err = in.Attach(v, d)
	}
	if err == nil {
		err = d.SetInspection(true)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	return &inspected{d, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("inspection: %v", err)
		}
	})}, in
}

// TestContract: with the inspection in the way, all that holds of the data
// path still holds.
func TestContract(t *testing.T) {
	contract.Run(t, contract.Implementation{
		Open: func(t *testing.T, dir string) datapath.Datapath {
			d, _ := open(t, dir, `alert http any any -> any any (msg:"m"; http.uri; content:"/x"; sid:1;)`, model.ModeEnforce)
			return d
		},
	})
}

// TestFramesCrossUnchanged sends frames of many kinds both ways.
func TestFramesCrossUnchanged(t *testing.T) {
	rig := contract.NewRig(t)
	d, in := open(t, t.TempDir(), `alert udp any any -> any any (msg:"beacon"; content:"beacon"; sid:4;)
drop udp any any -> any any (msg:"poison"; content:"poison"; sid:5;)`, model.ModeEnforce)
	defer d.Detach()
	six := netip.MustParseAddr("2001:db8:7::11")
	frames := []contract.Frame{
		{Payload: []byte("plain"), DstPort: 1000},
		{Payload: bytes.Repeat([]byte("x"), 1400), DstPort: 1001},
		{Tags: []uint16{7}, Payload: []byte("tagged"), DstPort: 1002},
		{Tags: []uint16{7, 8}, Payload: []byte("twice tagged"), DstPort: 1003},
		{Proto: 1, Payload: []byte{8, 0, 0, 0, 0, 1, 0, 1}},
		{Proto: 6, Flags: 2, SrcPort: 4000, DstPort: 443},
		{Src: six, Payload: []byte("six"), DstPort: 1004},
		{Proto: 47, Payload: []byte{0, 0, 8, 0, 0x45}},
		{Fragment: 0x2000, Payload: []byte("first part of it"), DstPort: 1005},
		{Payload: []byte("a beacon"), DstPort: 1006},
	}
	for i, f := range frames {
		for _, inward := range []bool{false, true} {
			f.Inward = inward
			b, send := f.Build(), rig.Outward
			if inward {
				send = rig.Inward
			}
			if got := send(t, b); len(got) != 1 || !bytes.Equal(got[0], b) {
				t.Errorf("frame %d, inward %v: sent %x, arrived %x", i, inward, b, got)
			}
		}
	}
	if got := rig.Outward(t, contract.Frame{Payload: []byte("poison"), DstPort: 1007}.Build()); len(got) != 0 {
		t.Error("the drop rule did not stop its packet")
	}
	list, lost := in.Fetch()
	if len(list) != 3 || lost != 0 {
		t.Errorf("alerts %v, want the beacon both ways and the poison", list)
	}
	totals, err := d.Totals()
	if err != nil || totals.Inspected < uint64(2*len(frames)) || totals.Uninspected != 0 {
		t.Errorf("totals %+v, %v", totals, err)
	}
}

// TestJudgeDoesNotAllocate: a frame of a known flow costs no memory.
func TestJudgeDoesNotAllocate(t *testing.T) {
	in, err := New(Config{Modes: Modes{All: model.ModeEnforce}, Flows: 4096, Memory: 16 << 20, Log: slog.New(slog.DiscardHandler),
		Settings: map[string]string{"stream.checksum-validation": "no"}})
	if err != nil {
		t.Fatal(err)
	}
	w := in.workers[0]
	w.now = 1e18
	frame := contract.Frame{Payload: bytes.Repeat([]byte("x"), 1000), DstPort: 1000}.Build()
	for range 100 {
		w.Judge(datapath.Inside, frame)
	}
	if n := testing.AllocsPerRun(1000, func() { w.Judge(datapath.Inside, frame) }); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
