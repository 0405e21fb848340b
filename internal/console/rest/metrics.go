package rest

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.HistogramVec // by operation and status class
	logins   *prometheus.CounterVec   // by result
}

func newMetrics(r prometheus.Registerer, l *Live) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "masugata_console_request_seconds", Help: "Time to answer console requests.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2.5, 10},
		}, []string{"operation", "status"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "masugata_console_logins_total", Help: "Sign-ins by result: ok, refused, throttled.",
		}, []string{"result"}),
	}
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "masugata_console_live_streams", Help: "Open live streams.",
	}, func() float64 { return float64(l.streams()) })
	lagged := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "masugata_console_live_lagged_total", Help: "Live streams ended because the client was too slow.",
	}, func() float64 { return float64(l.lagged.Load()) })
	for _, c := range []prometheus.Collector{m.requests, m.logins, streams, lagged} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}
