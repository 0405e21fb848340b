package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/masugata/masugata/api/link/v1/linkv1connect"
	"github.com/masugata/masugata/internal/link/identity"
	"github.com/masugata/masugata/internal/link/wire"
	"github.com/masugata/masugata/internal/model"
)

// maxPerBatch is how many events an agent puts into one report.
const maxPerBatch = 2000

// agent is one simulated agent: an identity of its own, one connection, and
// one batch under way at a time, sent again until it is acknowledged.
type agent struct {
	client   *http.Client
	endpoint string
	device   model.DeviceID
	epoch    uint64
	seq      uint64
	enc      *zstd.Encoder
	words    *generator
	batch    []byte // reused
	packed   []byte
	request  []byte

	counts *counts // of the whole fleet
}

// counts are what the fleet adds up.
type counts struct {
	acked   atomic.Uint64 // events
	late    atomic.Uint64 // reports that took over a second
	retried atomic.Uint64 // reports that were sent again
}

// enroll gets the agent its certificate by the real call.
func (a *agent) enroll(ctx context.Context, ca *x509.Certificate, token string) error {
	a.client = a.connection(ca, nil)
	key, csr, err := identity.NewRequest()
	if err != nil {
		return err
	}
	var res wire.EnrollResponse
	err = a.call(ctx, linkv1connect.LinkServiceEnrollProcedure, &wire.EnrollRequest{
		Token: token, CSR: csr, Role: string(model.RoleAgent), Name: "bench", Device: string(a.device), Software: "bench",
	}, &res)
	if err != nil {
		return fmt.Errorf("enrol %s: %w", a.device, err)
	}
	a.client.CloseIdleConnections()
	a.client = a.connection(ca, certificate(key, res.Certificate))
	return nil
}

func certificate(key *ecdsa.PrivateKey, der []byte) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *agent) connection(ca *x509.Certificate, own *tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	conf := &tls.Config{RootCAs: pool, ServerName: identity.ServerName, MinVersion: tls.VersionTLS13}
	if own != nil {
		conf.Certificates = []tls.Certificate{*own}
	}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: conf, MaxConnsPerHost: 1, WriteBufferSize: 32 << 10,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
}

func (a *agent) call(ctx context.Context, procedure string, req, res wire.Message) error {
	a.request = req.AppendTo(a.request[:0])
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+a.endpoint+procedure, bytes.NewReader(a.request))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set(wire.HeaderProtocol, wire.Protocol().String())
	answer, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.200s", procedure, answer.Status, body)
	}
	return res.Decode(body)
}

// run reports every so often from first until end what it owes since begin;
// rate is this agent's share.
func (a *agent) run(ctx context.Context, rate float64, every time.Duration, begin, first, end time.Time) {
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	made := 0
	for next := first; ; next = next.Add(every) {
		if next.After(end) {
			next = end
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		last := !now.Before(end)
		if last {
			now = end
		}
		for owed := int(now.Sub(begin).Seconds()*rate) - made; owed > 0; {
			n := min(owed, maxPerBatch)
			if !a.report(ctx, n) {
				return
			}
			owed -= n
			made += n
		}
		if last {
			return
		}
	}
}

// report makes one batch and sends it until it is acknowledged.
func (a *agent) report(ctx context.Context, n int) bool {
	a.batch = a.batch[:0]
	for range n {
		a.batch = wire.AppendBatchEvent(a.batch, a.words.next())
	}
	a.packed = a.enc.EncodeAll(a.batch, a.packed[:0])
	a.seq++
	for {
		began := time.Now()
		var res wire.ReportResponse
		err := a.call(ctx, linkv1connect.LinkServiceReportProcedure, &wire.ReportRequest{Epoch: a.epoch, Seq: a.seq, Zstd: a.packed}, &res)
		if err == nil && res.Acked == a.seq {
			if time.Since(began) > time.Second {
				a.counts.late.Add(1)
			}
			a.counts.acked.Add(uint64(n))
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		a.counts.retried.Add(1)
		time.Sleep(200 * time.Millisecond)
	}
}
