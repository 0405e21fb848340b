package rule

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// TestLetters: buffers of digests take their contents in either case.
func TestLetters(t *testing.T) {
	const hassh = "2dd6531c7e89d3c925db9214711be76a"
	w := newWorld(t, `
alert ssh any any -> any any (ssh.hassh; content:"2DD6531C7E89D3C925DB9214711BE76A"; sid:1;)
alert ssh any any -> any any (ssh.hassh; content:"2dd6531c7e89d3c925db9214711be76a"; sid:2;)
alert ssh any any -> any any (ssh.hassh; pcre:"/2DD6/"; sid:3;)
alert ssh any any -> any any (ssh.software; content:"OPENSSH"; sid:4;)
alert tls any any -> any any (tls.cert_serial; content:"0f:d0"; sid:5;)
alert tls any any -> any any (tls.cert_serial; content:"0F:D0"; sid:6;)
`)
	tx := &fakeTx{stage: [2]protocol.Stage{protocol.StageDone, protocol.StageDone},
		values: map[protocol.Field][]string{protocol.SSHHassh: {hassh}, protocol.SSHSoftware: {"OpenSSH_9.2"}, protocol.TLSCertSerial: {"0F:D0:01"}}}
	w.f.App = protocol.SSH
	w.want(&Context{Txs: []protocol.Tx{tx}}, 1, 2)
	w.f.App = protocol.TLS
	tx.ins = protocol.Inspection{}
	w.want(&Context{Txs: []protocol.Tx{tx}, Dir: packet.ToClient}, 5, 6)
}

// TestOldModifiers: they look at HTTP/1 alone, sticky buffers at both.
func TestOldModifiers(t *testing.T) {
	const rules = `
alert tcp any any -> any any (content:"a"; http_uri; sid:1;)
alert http any any -> any any (uricontent:"a"; sid:2;)
alert http any any -> any any (pcre:"/a/U"; sid:3;)
alert http any any -> any any (http.uri; content:"a"; sid:4;)
alert http any any -> any any (urilen:2; sid:5;)
`
	for app, want := range map[protocol.ID][]uint32{protocol.HTTP1: {1, 2, 3, 4, 5}, protocol.HTTP2: {4, 5}} {
		w := newWorld(t, rules)
		w.f.App = app
		w.want(&Context{Txs: []protocol.Tx{&fakeTx{stage: [2]protocol.Stage{protocol.StageDone, protocol.StageDone},
			values: map[protocol.Field][]string{protocol.HTTPURI: {"/a"}}}}}, want...)
	}
}
