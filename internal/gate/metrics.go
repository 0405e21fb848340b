package gate

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/masugata/masugata/internal/model"
)

// collector makes Prometheus metrics of the gate's status.
type collector struct {
	g                                     *Gate
	packets, devices, flows, blocks, scan *prometheus.Desc
	floods, late, blocked, uncounted      *prometheus.Desc
	inspected, alerts, rules              *prometheus.Desc
	listed, denied, listing               *prometheus.Desc
}

func newCollector(g *Gate) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("masugata_gate_"+name, help, labels, nil)
	}
	return &collector{
		g:         g,
		uncounted: desc("uncounted_packets_total", "Packets without a counter of their own, by the table that was full.", "table"),
		packets:   desc("packets_total", "Packets by what became of them.", "fate"),
		devices:   desc("devices", "Devices counted in the last scan."),
		flows:     desc("flows", "Flows counted in the last scan."),
		blocks:    desc("blocks", "Rules in force."),
		blocked:   desc("blocked_packets", "Packets that the rules in force have stopped."),
		floods:    desc("floods", "Floods that go on."),
		inspected: desc("inspection_packets_total", "Packets handed to the inspection, by what became of them.", "fate"),
		alerts:    desc("inspection_alerts_total", "Rules of the inspection that fired."),
		rules:     desc("inspection_rules", "Rules of the inspection in force."),
		listed:    desc("reputation_met_total", "Things of bad reputation that the inspection met, by what became of them.", "fate"),
		denied:    desc("reputation_denied_names_total", "DNS queries for listed names that were answered with no such name."),
		listing:   desc("reputation_entries", "Entries of the reputation set that the inspection uses."),
		scan:      desc("scan_seconds", "How long the last scan took."),
		late:      desc("late_scans_total", "Scans left out because the one before took too long."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.g.status()
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	t := &s.Totals
	count(c.packets, t.Forwarded, "forwarded")
	count(c.packets, t.DroppedRule, "dropped_rule")
	count(c.packets, t.DroppedBlocklist, "dropped_blocklist")
	count(c.packets, t.DroppedCeiling, "dropped_ceiling")
	count(c.packets, t.DroppedFail, "dropped_fail")
	count(c.packets, t.DroppedSpoofed, "dropped_spoofed")
	count(c.packets, t.Malformed, "malformed")
	count(c.uncounted, t.DeviceTableFull, "devices")
	count(c.uncounted, t.FlowTableFull, "flows")
	count(c.uncounted, t.UncountedRefusals, "refusals")
	count(c.packets, t.Settled, "settled")
	count(c.packets, t.DroppedVerdict, "dropped_verdict")
	count(c.packets, t.Uninspected, "uninspected")
	if i := s.Inspection; i != nil {
		count(c.inspected, i.Forwarded, "forwarded")
		count(c.inspected, i.Dropped, "dropped")
		count(c.inspected, i.RingFull, "ring_full")
		count(c.alerts, i.Alerts)
		count(c.listed, i.Listed-i.ListedStopped, "passed")
		count(c.listed, i.ListedStopped, "stopped")
		count(c.denied, i.Denied)
		gauge(c.listing, float64(i.Listing.Entries))
		gauge(c.rules, float64(i.Rules.Rules))
	}
	stopped, held := uint64(0), 0
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if b.Mode == model.ModeEnforce {
			stopped += b.Packets
		}
		if !b.Applied.IsZero() && !b.Undone {
			held++
		}
	}
	gauge(c.blocks, float64(held))
	gauge(c.blocked, float64(stopped))
	gauge(c.devices, float64(s.Devices))
	gauge(c.flows, float64(s.Flows))
	gauge(c.floods, float64(s.Floods))
	gauge(c.scan, s.LastScan.Seconds())
	count(c.late, s.Late)
}

// serveMetrics answers /metrics on the configured loopback address.
func (g *Gate) serveMetrics(ctx context.Context) error {
	if g.cfg.Metrics.Listen == "" {
		return nil
	}
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(newCollector(g)); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	l, err := net.Listen("tcp", g.cfg.Metrics.Listen)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
