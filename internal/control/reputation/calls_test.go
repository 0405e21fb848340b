package reputation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	reputationv1 "github.com/masugata/masugata/api/reputation/v1"
	"github.com/masugata/masugata/api/reputation/v1/reputationv1connect"
	"github.com/masugata/masugata/internal/console/cli"
	"github.com/masugata/masugata/internal/console/rest"
	"github.com/masugata/masugata/internal/model"
)

// served is the service's API over plain HTTP/1.1 and HTTP/2; any token opens it.
func served(t *testing.T, s *Service) *httptest.Server {
	t.Helper()
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
	t.Cleanup(server.Close)
	return server
}

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
	server := served(t, s)
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

// TestPrivateQuery: the command line's private question gives what the ordinary
// one gives, and no request has the name in it.
func TestPrivateQuery(t *testing.T) {
	web := newSite(t)
	web.set("/bots", "http://host.example/evil/a\nbad.example\n"+strings.Repeat("ab", 32)+"\n")
	c := Default()
	c.Feeds = []Feed{{Name: "bots", URL: web.URL + "/bots", Format: "mixed", Kind: "c2", Trust: 95}}
	c.Allow = []string{"good.bad.example"}
	s := open(t, t.TempDir(), c)
	s.mustFetch(t, "bots", stateOK)
	inner := served(t, s)
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, r.URL.String()+string(b))
		r.Body = io.NopCloser(bytes.NewReader(b))
		inner.Config.Handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	objects := []string{"bad.example", "x.bad.example", "good.bad.example", "http://host.example/evil/a?b", "http://host.example/", strings.Repeat("ab", 32), "198.51.100.1"}
	plain, private := query(t, server.URL, objects), query(t, server.URL, objects, "--private")
	if d := cmp.Diff(plain[:6], private[:6]); d != "" || plain[0]["listed"] != true || plain[3]["listed"] != true || plain[2]["local"] != "allow" {
		t.Errorf("-ordinary +private:\n%s%v", d, plain)
	}
	if private[6]["problem"] == nil {
		t.Errorf("an address is asked for in private: %v", private[6])
	}
	if last := asked[len(asked)-1]; strings.Contains(last, "example") || strings.Contains(last, "abab") || !strings.Contains(last, "/hashes") {
		t.Errorf("the question tells: %s", last)
	}
}

// query runs the command line's query.
func query(t *testing.T, url string, objects []string, flags ...string) []map[string]any {
	t.Helper()
	for _, c := range cli.Commands(nil) {
		if c.Name() != "reputation" {
			continue
		}
		var out bytes.Buffer
		c.SetOut(&out)
		c.SetArgs(slices.Concat([]string{"query", "--url", url, "--token", "x", "-o", "json"}, flags, objects))
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		var v struct{ Answers []map[string]any }
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		return v.Answers
	}
	t.Fatal("there is no command reputation")
	return nil
}
