package rule

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/protocol"
)

// TestAdoptAlertsOnce: a rule that has fired on a transaction in flight does
// not fire on it again under a new set, unless it was revised; new rules do.
func TestAdoptAlertsOnce(t *testing.T) {
	const kept = `alert http any any -> any any (http.uri; content:"/a"; sid:2; rev:3;)`
	w := newWorld(t, "alert http any any -> any any (http.method; content:\"GET\"; sid:1; rev:1;)\n"+kept)
	w.f.App = protocol.HTTP1
	tx := &fakeTx{values: map[protocol.Field][]string{field(t, "http.uri"): {"/a"}, field(t, "http.method"): {"GET"}}}
	tx.stage[0] = protocol.StageHeaders
	c := func() *Context { return &Context{Txs: []protocol.Tx{tx}} }
	w.want(c(), 1, 2)
	w.want(c(), nil...)
	w.in.Adopt(newWorld(t, kept+`
alert http any any -> any any (http.method; content:"GET"; sid:1; rev:2;)
alert http any any -> any any (http.uri; content:"a"; sid:3;)`).in.set)
	w.want(c(), 1, 3)
	for range 2 {
		w.in.Adopt(newWorld(t, kept).in.set)
	}
	w.want(c(), nil...)
	for range maxFormer + 1 {
		w.in.Adopt(newWorld(t, kept).in.set)
	}
	w.want(c(), 2)
}
