package afxdp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
	"github.com/masugata/masugata/internal/datapath/xdp"
)

// judge drops what says so and lets the rest through.
type judge struct{ seen int }

func (j *judge) Judge(_ datapath.Side, frame []byte) []byte {
	j.seen++
	if bytes.Contains(frame, []byte("drop me")) {
		return nil
	}
	return frame
}

// open puts a crossing behind a data path between the rig's ports.
func open(t *testing.T, generic bool, rings int) (*Crossing, *xdp.Datapath, *xdp.Verdicts) {
	t.Helper()
	dir := t.TempDir()
	d, err := xdp.Open(xdp.Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, PinDir: dir, Generic: generic})
	if err != nil {
		t.Skipf("needs XDP: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Detach(); err != nil {
			t.Error(err)
		}
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	})
	v, err := d.Verdicts()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Inside: contract.InsidePort, Outside: contract.OutsidePort, Bind: d.SetSocket, Rings: rings})
	if err == nil {
		err = errors.Join(d.SetWorkers(1), d.SetInspection(true))
	}
	if err != nil {
		t.Fatal(err)
	}
	v.Alive()
	return c, d, v
}

// run turns until the test ends.
func run(t *testing.T, c *Crossing, v *xdp.Verdicts, j Judge) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			v.Alive()
			if _, err := c.Worker(0).Turn(j, 20); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, c.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestCrossing(t *testing.T) {
	for _, generic := range []bool{false, true} {
		t.Run(fmt.Sprintf("generic=%v", generic), func(t *testing.T) {
			rig := contract.NewRig(t)
			c, d, v := open(t, generic, 256)
			run(t, c, v, &judge{})
			for i := range 1000 { // several times around the rings
				f := contract.Frame{DstPort: uint16(1 + i), Inward: i%2 == 1, Payload: bytes.Repeat([]byte{byte(i)}, 1+i)}
				b, send := f.Build(), rig.Outward
				if f.Inward {
					send = rig.Inward
				}
				if got := send(t, b); len(got) != 1 || !bytes.Equal(got[0], b) {
					t.Fatalf("frame %d: sent %x, arrived %x", i, b, got)
				}
			}
			if got := rig.Outward(t, contract.Frame{Payload: []byte("drop me")}.Build()); len(got) != 0 {
				t.Error("what the judge drops arrived")
			}
			totals, err := d.Totals()
			if err != nil || totals.Uninspected != 0 || totals.Forwarded != 0 {
				t.Errorf("totals %+v, %v: want everything inspected", totals, err)
			}
		})
	}
}

// TestVerdicts: what the kernel was told of a flow holds in both directions,
// until it begins anew or everything is forgotten.
func TestVerdicts(t *testing.T) {
	rig := contract.NewRig(t)
	c, _, v := open(t, false, 256)
	j := &judge{}
	out := contract.Frame{Proto: 6, Flags: 16, SrcPort: 4000, DstPort: 443, Payload: []byte("data")}
	in := out
	in.Inward = true
	syn := out
	syn.Flags, syn.Payload = 2, nil
	b := out.Build()
	id := datapath.FlowID{Proto: 6, InsidePort: 4000, OutsidePort: 443}
	copy(id.Device.MAC[:], b[6:12])
	id.Inside, id.Outside = addr(b[26:30]), addr(b[30:34])
	seen := func(f contract.Frame) (arrived, judged int) {
		t.Helper()
		before := j.seen
		send := rig.Outward
		if f.Inward {
			send = rig.Inward
		}
		frames := len(sendWhile(t, c, j, send, f.Build()))
		return frames, j.seen - before - 1 // the rig's own sentinel is judged too
	}
	want := func(what string, f contract.Frame, arrived, judged int) {
		t.Helper()
		if a, n := seen(f); a != arrived || n != judged {
			t.Errorf("%s: %d arrived and %d were judged, want %d and %d", what, a, n, arrived, judged)
		}
	}
	set := func(fate datapath.Fate) {
		t.Helper()
		if err := v.Set(&id, fate); err != nil {
			t.Fatal(err)
		}
	}
	want("before", out, 1, 1)
	set(datapath.FateForward)
	want("forwarded outward", out, 1, 0)
	want("forwarded inward", in, 1, 0)
	v.Forget()
	want("forgotten", out, 1, 1)
	set(datapath.FateDrop)
	want("dropped outward", out, 0, 0)
	want("dropped inward", in, 0, 0)
	want("begins anew", syn, 1, 1)
	want("after that", out, 1, 1)
	v.Gone()
	want("nobody there, fail open", out, 1, -1)
	v.Alive()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got := rig.Outward(t, b); len(got) != 1 {
		t.Error("with the sockets closed nothing passes in fail mode open")
	}
}

func TestOpenErrors(t *testing.T) {
	contract.NewRig(t)
	c, _, _ := open(t, false, 256)
	defer c.Close()
	bind := func(datapath.Side, int, int, int) error { return nil }
	for _, cfg := range []Config{
		{Inside: contract.InsidePort, Outside: contract.OutsidePort, Bind: bind, Rings: 100},
		{Inside: "nowhere", Outside: contract.OutsidePort, Bind: bind},
		{Inside: contract.InsidePort, Outside: contract.OutsidePort, Bind: bind}, // taken
	} {
		if other, err := Open(cfg); err == nil {
			other.Close()
			t.Errorf("%+v: opened", cfg)
		}
	}
	for _, e := range []error{unix.EAFNOSUPPORT, unix.EPERM} {
		if err := unavailable(e); !errors.Is(err, ErrUnavailable) || !errors.Is(err, e) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	}
}
