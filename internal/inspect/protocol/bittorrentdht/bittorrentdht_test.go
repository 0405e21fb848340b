package bittorrentdht

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

const (
	id       = "abcdefghij0123456789"
	query    = "d1:ad2:id20:" + id + "12:implied_porti1e9:info_hash20:" + id + "4:porti6881e5:token1:xe1:q13:announce_peer1:t2:aa1:v4:LT011:y1:qe"
	response = "d1:rd2:id20:" + id + "5:nodes26:" + id + "\x0a\x00\x00\x01\x1a\xe1" + "6:valuesl6:\x0a\x00\x00\x02\x1a\xe1ee1:t2:aa1:y1:re"
	failure  = "d1:eli201e4:oopse1:t2:aa1:y1:ee"
)

func TestMessages(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	for i, c := range []struct{ msg, eve string }{
		{query, `{"transaction_id":"6161","client_version":"4c543031","request_type":"announce_peer","request":{"id":"6162636465666768696a30313233343536373839","info_hash":"6162636465666768696a30313233343536373839","token":"78","implied_port":1,"port":6881}}`},
		{response, `{"transaction_id":"6161","response":{"id":"6162636465666768696a30313233343536373839","nodes":[{"id":"6162636465666768696a30313233343536373839","ip":"10.0.0.1","port":6881}],"values":[{"ip":"10.0.0.2","port":6881}]}}`},
		{failure, `{"transaction_id":"6161","error":{"num":201,"msg":"oops"}}`},
	} {
		f.Send(packet.ToServer, []byte(c.msg))
		if got := f.Eve(i, 0); got != c.eve {
			t.Error(got)
		}
		if Spec().Probe(packet.ToServer, []byte(c.msg), 1, 2) != protocol.Yes {
			t.Errorf("message %d is not known", i)
		}
	}
	f.Send(packet.ToServer, []byte(query[:50]))
	if !f.Tx(2).Inspection().Events.Has(eventMalformed) {
		t.Error("a short message")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Data: []byte(query)}, parsetest.Step{Data: []byte(response)})
}

func FuzzParse(f *testing.F) {
	for _, m := range []string{query, response, failure} {
		f.Add([]byte("\xff"+m), true)
	}
	parsetest.Fuzz(f, Spec(), nil)
}
