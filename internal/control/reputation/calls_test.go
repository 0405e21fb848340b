package reputation

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	reputationv1 "github.com/masugata/masugata/api/reputation/v1"
	"github.com/masugata/masugata/api/reputation/v1/reputationv1connect"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/model"
)

// TestCallsOverConnect asks a service with a feed by Connect, over plain HTTP/2
// as behind a proxy, and holds the answers to those in process.
func TestCallsOverConnect(t *testing.T) {
	web := newSite(t)
	web.set("/bots", addresses(300))
	web.set("/names", "bad.example\n")
	c := botnet(web)
	c.Feeds = append(c.Feeds, Feed{Name: "names", URL: web.URL + "/names", Format: "domain", Kind: "c2", Trust: 95})
	s := open(t, t.TempDir(), c)
	s.mustFetch(t, "bots", stateOK)
	s.mustFetch(t, "names", stateOK)
	h, err := rest.NewReputation(rest.ReputationConfig{Reputation: s, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		CheckToken: func(context.Context, string) (model.APIToken, error) {
			return model.APIToken{Access: model.AccessViewer}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &both
	server.Start()
	defer server.Close()
	var only2 http.Protocols
	only2.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only2}
	defer transport.CloseIdleConnections()
	ask := reputationv1connect.NewReputationServiceClient(&http.Client{Transport: transport}, server.URL, connect.WithInterceptors(anyToken{}))

	objects := []string{"198.18.0.7", "192.0.2.1", "www.bad.example", "good.example", "::::"}
	stream, err := ask.LookupStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reputationv1.LookupStreamRequest{Objects: objects}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Receive()
	if err != nil || len(got.Answers) != len(objects) {
		t.Fatalf("%v %v", got, err)
	}
	_ = stream.CloseRequest()
	_ = stream.CloseResponse()
	for i, a := range got.Answers {
		want, err := s.Lookup(objects[i])
		if a.Object != objects[i] || a.Listed != want.Listed || a.Score != uint32(want.Score) || a.Kind != want.Kind.String() || (a.Problem == "") != (err == nil) {
			t.Errorf("%s: %v, want %+v, %v", objects[i], a, want, err)
		}
	}
	why, err := ask.Explain(t.Context(), &reputationv1.ExplainRequest{Object: "198.18.0.7"})
	if err != nil || len(why.Reasons) != 1 || why.Reasons[0].Source != "bots" || why.Reasons[0].Weight <= 0 || why.Words == "" || why.Answer.Kind != "bot" {
		t.Errorf("%v %v", why, err)
	}
	hash := sha256.Sum256([]byte("bad.example/"))
	full, err := ask.Hashes(t.Context(), &reputationv1.HashesRequest{Prefixes: [][]byte{hash[:4]}})
	if err != nil || len(full.Hashes) != 1 || fmt.Sprintf("%x", full.Hashes[0].Sha256) != fmt.Sprintf("%x", hash) {
		t.Errorf("%v %v", full, err)
	}
}

type anyToken struct{}

func (anyToken) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		r.Header().Set("Authorization", "Bearer x")
		return next(ctx, r)
	}
}

func (anyToken) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		c := next(ctx, spec)
		c.RequestHeader().Set("Authorization", "Bearer x")
		return c
	}
}

func (anyToken) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
