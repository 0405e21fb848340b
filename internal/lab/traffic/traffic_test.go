package traffic_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab/internet"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/traffic"
)

func free(t *testing.T, network string) netip.AddrPort {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return netip.MustParseAddrPort(c.LocalAddr().String())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// TestOrdinaryTrafficLosesNothing runs every client against every server, and
// then ends the servers: now each kind must count losses.
func TestOrdinaryTrafficLosesNothing(t *testing.T) {
	a := internet.Addrs{DNS: free(t, "udp"), NTP: free(t, "udp"), HTTP: free(t, "tcp"), Speed: free(t, "tcp"), MQTT: free(t, "tcp"), Cloud: free(t, "udp")}
	log, counts := slog.New(slog.DiscardHandler), tally.New()
	world, end := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- internet.Run(world, a, internet.Uploader{Number: 1, Name: "upload"}, tally.New(), log) }()
	time.Sleep(300 * time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	url := "http://" + a.HTTP.String()
	speed := &traffic.SpeedTest{}
	for _, f := range []func(){
		func() { traffic.DNS(ctx, a.DNS, "t", counts) },
		func() { traffic.NTP(ctx, a.NTP, counts) },
		func() { traffic.Pages(ctx, url+"/small", 100*time.Millisecond, "pages", counts) },
		func() { traffic.Stream(ctx, url, counts) },
		func() { traffic.Subscribe(ctx, a.MQTT, "s", []string{"h"}, counts, log) },
		func() { traffic.Publish(ctx, a.MQTT, "h", counts, log) },
		func() { speed.Run(ctx, a.Speed, counts) },
	} {
		wg.Go(f)
	}
	time.Sleep(2700 * time.Millisecond)
	good := counts.Read()
	end()
	if err := <-gone; err != nil {
		t.Error(err)
	}
	time.Sleep(2600 * time.Millisecond)
	cancel()
	wg.Wait()
	after := tally.Since(good, counts.Read())
	for _, name := range []string{"dns", "ntp", "pages", "tv stream", "mqtt publish", "mqtt receive", "speed test"} {
		if c := good[name]; c.Total == 0 || c.Bad() != 0 {
			t.Errorf("%s: counted %+v while the servers stood, want some and all good", name, c)
		}
		if c := after[name]; c.Bad() == 0 {
			t.Errorf("%s: counted %+v without servers, want losses", name, c)
		}
	}
	if r := speed.Readings(); len(r) == 0 || r[0].DownMbit < 20 || r[0].DownMbit > 80 {
		t.Errorf("speed readings %+v, want about 60 Mbit/s", r)
	}
}
