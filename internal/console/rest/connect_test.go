package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	reputationv1 "github.com/masugata/masugata/api/reputation/v1"
	"github.com/masugata/masugata/api/reputation/v1/reputationv1connect"
	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// oneBad knows one bad name.
type oneBad struct{ noReputation }

func (oneBad) Lookup(object string) (ReputationAnswer, error) {
	switch object {
	case "bad.example":
		return ReputationAnswer{Object: object, Listed: true, Score: 91, Band: reputation.BandCertain, Kind: reputation.KindC2}, nil
	case "broken":
		return ReputationAnswer{}, errors.New("disk on fire")
	case "nonsense":
		return ReputationAnswer{}, fmt.Errorf("nonsense is nothing: %w", model.ErrInvalid)
	}
	return ReputationAnswer{Object: object}, nil
}

func (oneBad) Hashes(prefix [4]byte) []ReputationHash {
	if prefix != [4]byte{1, 2, 3, 4} {
		return nil
	}
	return []ReputationHash{{SHA256: "01020304" + strings.Repeat("00", 28), Score: 91, Kind: reputation.KindC2, Type: "domain", Below: true}}
}

// callFixture is a console over TLS with HTTP/2 beside the plain one.
func callFixture(t *testing.T) (*fixture, *httptest.Server) {
	f := newFixture(t, func(c *Config) { c.Reputation = oneBad{} })
	s := httptest.NewUnstartedServer(f.server.Config.Handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return f, s
}

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

func asking(s *httptest.Server, token string, opts ...connect.ClientOption) reputationv1connect.ReputationServiceClient {
	return reputationv1connect.NewReputationServiceClient(&http.Client{Transport: bearer{token, s.Client().Transport}}, s.URL, opts...)
}

// TestEveryCallHasARule holds the calls to the rules of the operations that do
// the same.
func TestEveryCallHasARule(t *testing.T) {
	calls := reputationCalls()
	methods := reputationv1.File_reputation_v1_reputation_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		path := fmt.Sprintf("/%s/%s", reputationv1connect.ReputationServiceName, methods.Get(i).Name())
		r, ok := ruleOf(calls[path])
		if !ok || r.public {
			t.Errorf("%s: rule %+v, %t", path, r, ok)
		}
	}
	if methods.Len() != len(calls) {
		t.Errorf("%d methods, %d rules", methods.Len(), len(calls))
	}
}

func TestCallsAccess(t *testing.T) {
	f, s := callFixture(t)
	for token, want := range map[string]connect.Code{"": connect.CodeUnauthenticated, "mgp_wrong": connect.CodeUnauthenticated, f.token(model.AccessViewer): 0} {
		for _, protocol := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}, {connect.WithProtoJSON()}} {
			c := asking(s, token, protocol...)
			_, err := c.Lookup(t.Context(), &reputationv1.LookupRequest{Object: "bad.example"})
			_, err2 := c.Explain(t.Context(), &reputationv1.ExplainRequest{Object: "bad.example"})
			batch, err3 := c.LookupBatch(t.Context(), &reputationv1.LookupBatchRequest{Objects: []string{"bad.example"}})
			f.ok(err3)
			batch.Receive()
			both, err4 := c.LookupStream(t.Context())
			f.ok(err4)
			_ = both.Send(&reputationv1.LookupStreamRequest{Objects: []string{"bad.example"}})
			_, err4 = both.Receive()
			_, err5 := c.Hashes(t.Context(), &reputationv1.HashesRequest{})
			for i, err := range []error{err, err2, batch.Err(), err4, err5} {
				if i == 1 && want == 0 { // nothing explains here
					continue
				}
				if got := connect.CodeOf(err); (err != nil) != (want != 0) || err != nil && got != want {
					t.Errorf("token %q, call %d: %v, want %v", token, i, err, want)
				}
			}
			_ = both.CloseRequest()
			_ = both.CloseResponse()
			_ = batch.Close()
		}
	}
	_, err := asking(s, f.token(model.AccessViewer)).Explain(t.Context(), &reputationv1.ExplainRequest{Object: "bad.example"})
	if connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("the service is off: %v", err)
	}
}

func TestCallsAnswer(t *testing.T) {
	f, s := callFixture(t)
	c := asking(s, f.token(model.AccessViewer))
	got, err := c.Lookup(t.Context(), &reputationv1.LookupRequest{Object: "bad.example"})
	f.ok(err)
	if a := got.Answer; a.Object != "bad.example" || !a.Listed || a.Score != 91 || a.Band != "certain" || a.Kind != "c2" {
		t.Errorf("%v", a)
	}
	for object, want := range map[string]connect.Code{"nonsense": connect.CodeInvalidArgument, "broken": connect.CodeInternal, strings.Repeat("a", 5000): connect.CodeInvalidArgument} {
		_, err := c.Lookup(t.Context(), &reputationv1.LookupRequest{Object: object})
		if connect.CodeOf(err) != want || strings.Contains(err.Error(), "fire") {
			t.Errorf("%.20s: %v, want %v", object, err, want)
		}
	}
	objects := slices.Repeat([]string{"good.example", "bad.example", "nonsense"}, 1100)
	batch, err := c.LookupBatch(t.Context(), &reputationv1.LookupBatchRequest{Objects: objects})
	f.ok(err)
	var answers []*reputationv1.Answer
	pieces := 0
	for batch.Receive() {
		answers = append(answers, batch.Msg().Answers...)
		pieces++
	}
	f.ok(batch.Err())
	if len(answers) != len(objects) || pieces != 4 {
		t.Fatalf("%d answers in %d pieces", len(answers), pieces)
	}
	for i, a := range answers {
		if a.Object != objects[i] || a.Listed != (i%3 == 1) || (a.Problem != "") != (i%3 == 2) {
			t.Fatalf("%d: %v", i, a)
		}
	}
	hashes, err := c.Hashes(t.Context(), &reputationv1.HashesRequest{Prefixes: [][]byte{{1, 2, 3, 4}, {4, 3, 2, 1}}})
	f.ok(err)
	if len(hashes.Hashes) != 1 || len(hashes.Hashes[0].Sha256) != 32 || !hashes.Hashes[0].Below || hashes.HoldsForSeconds == 0 {
		t.Errorf("%v", hashes)
	}
	if _, err := c.Hashes(t.Context(), &reputationv1.HashesRequest{Prefixes: [][]byte{{1}}}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a prefix of one byte: %v", err)
	}
}

// TestCallStreamEndsWithItsToken takes a token back under an open stream.
func TestCallStreamEndsWithItsToken(t *testing.T) {
	f, s := callFixture(t)
	text, token, err := f.store.CreateAPIToken(t.Context(), model.APIToken{Name: "probe", Access: model.AccessViewer})
	f.ok(err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	both, err := asking(s, text).LookupStream(ctx)
	f.ok(err)
	ask := func() error {
		if err := both.Send(&reputationv1.LookupStreamRequest{Objects: []string{"bad.example", "good.example"}}); err != nil {
			return err
		}
		got, err := both.Receive()
		if err == nil && (len(got.Answers) != 2 || !got.Answers[0].Listed || got.Answers[1].Listed) {
			t.Errorf("%v", got)
		}
		return err
	}
	f.ok(ask())
	f.ok(ask())
	f.ok(f.store.DeleteAPIToken(ctx, token.ID))
	f.clock.pass(time.Minute)
	if err := ask(); connect.CodeOf(err) != connect.CodeUnauthenticated {
		t.Errorf("the stream of a token that was taken back: %v", err)
	}
}

// TestCallsByHand speaks Connect without a client: JSON by POST, by GET, and
// what is no call at all.
func TestCallsByHand(t *testing.T) {
	f, _ := callFixture(t)
	c := f.program(model.AccessViewer)
	const at = "//masugata.reputation.v1.ReputationService/"
	c.call("POST", at+"Lookup", object{"object": "bad.example"}).want(t, 200, `"listed":true`, `"kind":"c2"`)
	c.call("POST", at+"Lookup", object{"object": "nonsense"}).want(t, 400, "invalid_argument", "nonsense is nothing")
	r := c.call("GET", at+"Lookup?encoding=json&message="+url.QueryEscape(`{"object":"bad.example"}`), nil).want(t, 200, `"score":91`)
	if r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", r.header)
	}
	c.call("POST", at+"Lookup", `{"object":`).want(t, 400)
	c.call("POST", at+"Steal", object{}).want(t, 404)
	f.browser().call("GET", at+"Lookup", nil).want(t, 401)
	f.browser().call("POST", at+"Lookup", object{"object": "bad.example"}).want(t, 401, "unauthenticated")
	c.call("GET", "//metrics", nil).want(t, 200, `operation="lookup-reputation",status="2xx"`, `operation="lookup-reputation",status="4xx"`)
}

// BenchmarkCallBatch looks up 100,000 objects by one call, the asking included.
func BenchmarkCallBatch(b *testing.B) {
	objects := slices.Repeat([]string{"good.example", "bad.example"}, maxCallObjects/2)
	r := &reputationService{server: &server{Config: Config{Reputation: oneBad{}}}}
	_, h := reputationv1connect.NewReputationServiceHandler(r)
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c := asking(s, "")
	for b.Loop() {
		batch, err := c.LookupBatch(b.Context(), &reputationv1.LookupBatchRequest{Objects: objects})
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for batch.Receive() {
			n += len(batch.Msg().Answers)
		}
		if n != len(objects) || batch.Err() != nil {
			b.Fatal(n, batch.Err())
		}
		_ = batch.Close()
	}
	b.ReportMetric(float64(b.N*len(objects))/b.Elapsed().Seconds(), "lookups/s")
}
