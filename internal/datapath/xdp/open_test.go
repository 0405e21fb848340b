package xdp

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/datapath/contract"
)

// linkIDs are the kernel's numbers of the two links; they stay the same as
// long as the ports were never without a program.
func linkIDs(t *testing.T, d *Datapath) (ids [2]uint32) {
	t.Helper()
	for i, p := range d.ports {
		info, err := p.link.Info()
		check(t, err)
		ids[i] = uint32(info.ID)
	}
	return ids
}

func TestOtherLayoutReplacedWithoutGap(t *testing.T) {
	rig := contract.NewRig(t)
	dir := t.TempDir()
	d := openTest(t, Config{PinDir: dir})
	before := linkIDs(t, d)
	check(t, d.Close())
	frame := contract.Frame{}.Build()
	prepared := 0
	prepare := func(p *Datapath) error {
		prepared++
		if got := rig.Outward(t, frame); len(got) != 1 {
			t.Error("nothing is forwarded while the new tables are prepared")
		}
		return p.SetRules([]datapath.Rule{{ID: 1, Verdict: datapath.VerdictDrop, Device: datapath.DeviceKey{MAC: [6]byte(frame[6:12])}}})
	}
	d = openTest(t, Config{PinDir: dir, MaxFlows: 1024, Prepare: prepare})
	if d.Info().Adopted || prepared != 1 {
		t.Errorf("adopted %v, prepared %d times; want new tables, prepared once", d.Info().Adopted, prepared)
	}
	if after := linkIDs(t, d); after != before {
		t.Errorf("links %v became %v: the ports were without a program", before, after)
	}
	if got := rig.Outward(t, frame); len(got) != 0 {
		t.Error("the prepared rule does not hold")
	}
	check(t, d.Close())
	d = openTest(t, Config{PinDir: dir, MaxFlows: 1024, Prepare: prepare})
	if !d.Info().Adopted || prepared != 1 {
		t.Errorf("adopted %v, prepared %d times; want adopted", d.Info().Adopted, prepared)
	}
	check(t, d.Detach())
	if got := rig.Outward(t, frame); len(got) != 0 {
		t.Error("frames are still forwarded after Detach")
	}
	for _, port := range []string{contract.InsidePort, contract.OutsidePort} {
		if l, err := netlink.LinkByName(port); err != nil || l.Attrs().Xdp.Attached {
			t.Errorf("port %s: program still attached (%v)", port, err)
		}
	}
	left, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range left {
		if !strings.HasSuffix(e.Name(), ".debug") { // the kernel's own
			t.Errorf("after Detach %s is left", e.Name())
		}
	}
}

func TestOpenErrors(t *testing.T) {
	contract.NewRig(t)
	dir := t.TempDir()
	d := openTest(t, Config{PinDir: dir})
	defer func() { check(t, d.Detach()) }()
	inside, outside := contract.InsidePort, contract.OutsidePort
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "want two interfaces"},
		{Config{Inside: inside, Outside: inside}, "want two interfaces"},
		{Config{Inside: inside, Outside: "nowhere", PinDir: dir}, "outside port nowhere"},
		{Config{Inside: inside, Outside: outside, PinDir: dir}, "in use by another process"},
		{Config{Inside: inside, Outside: outside, PinDir: t.TempDir(), MaxRules: 1 << 20}, "MaxRules"},
		{Config{Inside: inside, Outside: outside, PinDir: t.TempDir(), MaxDevices: 1 << 20}, "MaxDevices"},
	} {
		if tt.cfg.PinDir != "" && tt.cfg.PinDir != dir {
			mountPins(t, tt.cfg.PinDir)
		}
		other, err := Open(tt.cfg)
		if err == nil {
			other.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one with %q", tt.cfg, err, tt.want)
		}
	}
}

// TestFullTables fills both tables far beyond their size: everything is still
// forwarded, rules hold, and quiet devices give way.
func TestFullTables(t *testing.T) {
	contract.NewRig(t)
	d := openTest(t, Config{PinDir: t.TempDir(), MaxFlows: 64, MaxDevices: 64})
	defer func() { check(t, d.Detach()) }()
	bad := datapath.DeviceKey{MAC: [6]byte{6, 6, 6, 6, 6, 6}}
	check(t, d.SetRules([]datapath.Rule{{ID: 1, Device: bad, Verdict: datapath.VerdictDrop}}))
	send := func(f contract.Frame) uint32 {
		action, _, err := d.ports[0].prog.Test(f.Build())
		check(t, err)
		return action
	}
	for i := range 2000 {
		f := contract.Frame{Dst: netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)})}
		f.Device.MAC = [6]byte{2, 1, 1, 1, byte(i >> 8), byte(i)}
		if send(f) != 4 {
			t.Fatalf("frame %d was not forwarded", i)
		}
	}
	if send(contract.Frame{Device: bad}) != 1 {
		t.Error("the rule does not hold with full tables")
	}
	total, err := d.Totals()
	check(t, err)
	if total.DeviceTableFull < 1500 || total.FlowTableFull < 1500 {
		t.Errorf("totals %+v, want both tables full", total)
	}
	if n := countDevices(t, d); n < 64 || n > d.t.overflow() {
		t.Errorf("%d devices counted, want at least 64", n)
	}
	for i := range d.t.devices { // as if ten minutes had gone by
		for l := range d.t.devices[i].Line {
			d.t.devices[i].Line[l].Last = 1
		}
	}
	if ktime() < uint64(deviceIdle) {
		t.Skip("the machine was started less than ten minutes ago")
	}
	d.aged = d.aged.Add(-2 * ageInterval)
	countDevices(t, d)
	if n := countDevices(t, d); n != 0 {
		t.Errorf("%d devices are left after ten quiet minutes", n)
	}
	f := contract.Frame{Device: datapath.DeviceKey{MAC: [6]byte{2, 9, 9, 9, 9, 9}}}
	send(f)
	if n := countDevices(t, d); n != 1 {
		t.Errorf("%d devices, want the new one", n)
	}
}

func countDevices(t *testing.T, d *Datapath) (n int) {
	t.Helper()
	check(t, d.ReadDevices(func(*datapath.DeviceCounter) { n++ }))
	return n
}
