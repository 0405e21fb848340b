package gate

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/masugata/masugata/internal/model"
)

// BenchmarkInline uploads through a plain bridge, through the gate without
// inspection, through one that inspects every byte, and through one that hands
// the connection to the kernel at the usual depth; in turn, in one run. Both
// ends and the gate share the machine, so the ratios are what to look at. It
// reports the median Mbit/s of each.
func BenchmarkInline(b *testing.B) {
	w := newRig(b)
	w.cfg.Flood.Mode = model.ModeObserve
	w.cfg.Inspection.Rules = []string{filepath.Join(b.TempDir(), "bench.rules")}
	if err := os.WriteFile(w.cfg.Inspection.Rules[0], []byte(benchRules()), 0o644); err != nil {
		b.Fatal(err)
	}
	w.cfg.Inspection.Mode, w.cfg.Inspection.Workers = model.ModeEnforce, 1
	w.sinkTCP(9)
	gate := func(settings map[string]string, on bool) float64 {
		w.cfg.Inspection.Enabled, w.cfg.Inspection.Settings = on, settings
		defer w.start(slog.New(slog.DiscardHandler), nil)()
		return w.upload(b, 9)
	}
	ways := map[string]func() float64{
		"bridge":    func() float64 { return w.bridged(func() float64 { return w.upload(b, 9) }) },
		"forwarded": func() float64 { return gate(nil, false) },
		"inspected": func() float64 {
			return gate(map[string]string{"stream.bypass": "no", "stream.reassembly.depth": "0"}, true)
		},
		"settled": func() float64 { return gate(nil, true) },
	}
	rates := make(map[string][]float64)
	b.ResetTimer()
	for range max(b.N, 1) * 3 {
		for _, name := range []string{"bridge", "forwarded", "inspected", "settled"} {
			rates[name] = append(rates[name], ways[name]())
		}
	}
	for name, v := range rates {
		slices.Sort(v)
		b.ReportMetric(v[len(v)/2], name+"-Mbit/s")
	}
	b.ReportMetric(0, "ns/op")
}

// benchRules are rules on raw streams and on HTTP, as large sets have them.
func benchRules() string {
	var s strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&s, "alert http any any -> any any (msg:\"h%d\"; http.uri; content:\"/path%d/x\"; sid:%d;)\n", i, i, 1000+i)
		fmt.Fprintf(&s, "drop tcp any any -> any any (msg:\"t%d\"; flow:established; content:\"needle%d in hay\"; sid:%d;)\n", i, i, 100000+i)
	}
	return s.String()
}

// sinkTCP takes what comes to a port outside and says when it has all.
func (w *rig) sinkTCP(port int) {
	w.serve(port, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		_, _ = c.Write([]byte{1})
	})
}

const uploaded = 32 << 20

// upload sends bytes outward and gives Mbit/s.
func (w *rig) upload(b *testing.B, port int) float64 {
	c, err := w.connect(port)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	data := make([]byte, 1<<16)
	for i := range data {
		data[i] = byte(i*7919>>3) | 1
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	began := time.Now()
	for sent := 0; sent < uploaded; sent += len(data) {
		if _, err := c.Write(data); err != nil {
			b.Fatal(err)
		}
	}
	err = c.(*net.TCPConn).CloseWrite()
	if _, more := io.ReadFull(c, data[:1]); err != nil || more != nil {
		b.Fatal(errors.Join(err, more))
	}
	return uploaded * 8 / 1e6 / time.Since(began).Seconds()
}

// bridged runs f with the gate's ports in a Linux bridge instead.
func (w *rig) bridged(f func() float64) float64 {
	w.detachPrograms()
	_, err := within(w.gate, func() (struct{}, error) {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "plain"}}
		err := errors.Join(netlink.LinkAdd(br), netlink.LinkSetUp(br))
		for _, port := range []string{"in", "out"} {
			l, e := netlink.LinkByName(port)
			if e == nil {
				e = netlink.LinkSetMaster(l, br)
			}
			err = errors.Join(err, e)
		}
		return struct{}{}, err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		_, err := within(w.gate, func() (struct{}, error) {
			return struct{}{}, netlink.LinkDel(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "plain"}})
		})
		if err != nil {
			w.t.Error(err)
		}
	}()
	return f()
}
