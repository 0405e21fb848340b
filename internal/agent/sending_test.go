package agent

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/masugata/masugata/internal/host/process"
	"github.com/masugata/masugata/internal/model"
)

// TestNewAddressIsNotSpoofed: a device may send from an address that it got
// after its addresses were last looked at.
func TestNewAddressIsNotSpoofed(t *testing.T) {
	cfg := DefaultConfig()
	s := newSending(&cfg, slog.New(slog.DiscardHandler), process.NewHasher(hashRate))
	mine, forged := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.7")
	s.own = func() []netip.Addr { return []netip.Addr{mine} }
	finding := func(source netip.Addr, p Phase) Finding {
		f := Finding{Phase: p, Source: source.As16(), key: floodKey{vector: model.VectorSpoofed}}
		f.Evidence.Shape.Spoofed = true
		return f
	}
	for _, tt := range []struct {
		source netip.Addr
		phase  Phase
		want   bool
		told   Phase
	}{
		{mine, PhaseBegan, true, PhaseBegan}, {mine, PhaseEnded, true, PhaseEnded},
		{forged, PhaseBegan, false, PhaseBegan}, {forged, PhaseLasts, false, PhaseLasts}, {forged, PhaseEnded, false, PhaseEnded},
		{mine, PhaseBegan, true, PhaseBegan}, {forged, PhaseLasts, false, PhaseBegan}, {forged, PhaseEnded, false, PhaseEnded},
	} {
		f := finding(tt.source, tt.phase)
		if got := s.mistaken(&f); got != tt.want || f.Phase != tt.told {
			t.Errorf("%v in phase %d: mistaken %v, told as phase %d; want %v, %d", tt.source, tt.phase, got, f.Phase, tt.want, tt.told)
		}
	}
	if len(s.honest) != 0 {
		t.Errorf("%d findings are kept after their end", len(s.honest))
	}
	f := Finding{Source: mine.As16()}
	if s.mistaken(&f) {
		t.Error("a flood from the device's own address was taken as none")
	}
}
