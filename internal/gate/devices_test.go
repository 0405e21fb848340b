package gate

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/datapath"
)

// TestSilentDevicesGiveWay: a device that makes up addresses fills the table
// for a while, not for good, and the list on disk not without end.
func TestSilentDevicesGiveWay(t *testing.T) {
	const room = 16
	d := newDevices(room, filepath.Join(t.TempDir(), "devices.json"), slog.New(slog.DiscardHandler))
	now := time.Unix(1_800_000_000, 0)
	news := 0
	see := func(n int) bool {
		c := datapath.DeviceCounter{TxPackets: 1, First: now, Last: now}
		c.MAC = [6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)}
		if d.count(&c, now) != nil {
			news++
		}
		return d.list[c.DeviceKey] != nil
	}
	for n := range 3 * room {
		if see(n) != (n < room) {
			t.Fatalf("device %d: in the table %v", n, n >= room)
		}
	}
	now = now.Add(silentFor / 2)
	see(0) // goes on
	now = now.Add(silentFor/2 + time.Second)
	if !see(1000) {
		t.Error("no room though nearly all are silent")
	}
	if !see(0) || len(d.list) != 2 {
		t.Errorf("%d devices left, want the busy one and the new one", len(d.list))
	}
	for round := range 20 {
		now = now.Add(2 * silentFor)
		for n := range room {
			see(2000 + room*round + n)
		}
	}
	if len(d.known) > maxKnown*room || news != len(d.known) {
		t.Errorf("%d devices remembered and %d told as new, want at most %d", len(d.known), news, maxKnown*room)
	}
}
