package inventory

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/masugata/masugata/internal/model"
)

func TestDefaultRoute(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, c := range []struct{ text, want string }{
		{head + "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "eth0"},
		{head + "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", ""},
		{head + "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\neth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "eth0"},
		{head + "eth0\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n", ""}, // a reject route
	} {
		if got := ParseRoute4([]byte(c.text)); got != c.want {
			t.Errorf("%q: %q", c.text, got)
		}
	}
	zero := "00000000000000000000000000000000"
	text := zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n" +
		zero + " 00 " + zero + " 00 fe80000000000000000000000000000f 00000400 00000001 00000000 00000003     eth1\n"
	if got := ParseRoute6([]byte(text)); got != "eth1" {
		t.Errorf("IPv6: %q", got)
	}
}

func TestAddressesAreThoseOfTheStandardLibrary(t *testing.T) {
	got, err := Prefixes()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p := netip.MustParsePrefix(a.String()); !slices.Contains(got, p) {
			t.Errorf("%v is missing in %v", p, got)
		}
	}
	if len(got) != len(addrs) {
		t.Errorf("got %v, want %v", got, addrs)
	}
}

func TestInterfacesAreThoseOfTheStandardLibrary(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		got, err := ByName(i.Name)
		if err != nil {
			t.Fatal(err)
		}
		var mac [6]byte
		copy(mac[:], i.HardwareAddr)
		if got.Index != i.Index || got.MTU != i.MTU || got.MAC != mac {
			t.Errorf("%+v, want %+v", got, i)
		}
	}
	if _, err := ByName("none-such"); err == nil {
		t.Error("an interface that is not there was found")
	}
	if id := (Interface{MAC: [6]byte{2, 0, 0, 0, 10, 1}, VLAN: 12}).Device(); id != model.DeviceID("mac-020000000a01.v12") {
		t.Error(id)
	}
}

func FuzzParseAddrs(f *testing.F) {
	f.Add([]byte{16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		out, _, _ := ParseAddrs(b, nil)
		for _, p := range out {
			if !p.IsValid() {
				t.Fatal("an address that is not one")
			}
		}
	})
}

func FuzzProcNet(f *testing.F) {
	f.Add([]byte("eth0: 1 2 3 4 5 6 7 8 9 10 11\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{ParseRoute4(b), ParseRoute6(b)} {
			if len(name) > len(b) {
				t.Fatal("a name out of nothing")
			}
		}
		ParseSent(b, "eth0")
	})
}
