package http

import (
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/byterange"
	"github.com/masugata/masugata/internal/inspect/protocol/file"
)

// message is one direction of a transaction.
type message struct {
	p       *Parser
	tx      *transaction
	dir     packet.Direction
	stage   protocol.Stage
	version int8

	line    []byte // the first line as sent, up to what has come of it
	block   block
	headers headers
	built   views

	coding  coding
	taken   uint64 // bytes of the body as sent, without chunk framing
	decoded uint64 // bytes of the body after undoing content encodings
	body    file.Tracker
	hasBody bool // body was opened
	asFile  bool // the body is a file
	parts   file.List
	files   []*protocol.File // what Files gives when the body is one file
	ranged  *byterange.File  // the file that the body is a part of, nil for none
	key     []byte           // its name in the pool
	at      uint64           // where in it the next bytes belong
	whole   file.Tracker     // that file, once the body has made it whole
}

// coding is how a body is delimited.
type coding uint8

const (
	codingUnknown coding = iota
	codingNone
	codingIdentity
	codingChunked
	codingInvalid
)

// transaction is a request with its response.
type transaction struct {
	insp protocol.Inspection
	msg  [2]message

	method, uri, protocol    []byte // pieces of the request line
	methodID                 method
	http09                   bool
	target                   target // pieces of the uri
	normal                   []byte // normalised target
	path                     []byte // normalised path, a piece of normal
	host                     []byte // normalised host name
	hostPort                 int32  // port in the target or the Host field, -1 for none, 0 before the fields are read
	status, reason, respProt []byte // pieces of the status line
	code                     int
	unmatched                bool // made for a response without a request
	continued                bool // 100 Continue was seen
	multipart                multipart
	record                   []byte
}

// Clear makes the transaction ready for the next use.
func (t *transaction) Clear(number uint64) {
	t.insp.Reset(number)
	for d := range t.msg {
		t.msg[d].clear()
		t.msg[d].tx, t.msg[d].dir = t, packet.Direction(d)
	}
	t.method, t.uri, t.protocol, t.methodID, t.http09 = nil, nil, nil, methodUnknown, false
	t.target = target{}
	t.normal, t.path, t.host, t.hostPort = empty(t.normal), nil, t.host[:0], 0
	t.status, t.reason, t.respProt, t.code = nil, nil, nil, 0
	t.unmatched, t.continued = false, false
	t.multipart.reset()
}

func (m *message) clear() {
	m.stage, m.version = protocol.StageNone, versionUnknown
	m.line = empty(m.line)
	m.block = block{}
	m.headers.reset()
	m.built.reset()
	m.coding, m.taken, m.decoded = codingUnknown, 0, 0
	m.hasBody, m.asFile = false, false
	m.parts.Reset()
	m.body.Reset()
	m.whole.Reset()
	m.ranged, m.at = nil, 0
	m.files = m.files[:0]
}

// event raises the event of the message's direction.
func (m *message) event(request, response uint8) {
	if m.dir == packet.ToServer {
		m.tx.insp.Events.Set(request)
		return
	}
	m.tx.insp.Events.Set(response)
}

// advance moves the stage on.
func (m *message) advance(s protocol.Stage) {
	if s > m.stage {
		m.stage = s
	}
}

// Stage is how far the transaction has come in d.
func (t *transaction) Stage(d packet.Direction) protocol.Stage { return t.msg[d].stage }

// Inspection is the engine's own state of the transaction.
func (t *transaction) Inspection() *protocol.Inspection { return &t.insp }

// Files are the files seen so far in d.
func (t *transaction) Files(d packet.Direction) []*protocol.File {
	m := &t.msg[d]
	if m.asFile {
		return m.files
	}
	return m.parts.Files()
}

// Uint offers nothing: HTTP/1 has no numeric fields.
func (t *transaction) Uint(protocol.Field, packet.Direction, int) (uint64, bool) { return 0, false }

// Window is what there is now of a body.
func (t *transaction) Window(f protocol.Field, d packet.Direction, i int) (protocol.Window, bool) {
	want := protocol.HTTPRequestBody
	if d == packet.ToClient {
		want = protocol.HTTPResponseBody
	}
	m := &t.msg[d]
	if f != want || i != 0 || !m.hasBody {
		return protocol.Window{}, false
	}
	w := m.body.File().Data
	return w, len(w.Data) > 0 || w.Final
}

// Bytes is the value of a field.
func (t *transaction) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	m := &t.msg[d]
	if f != protocol.HTTPRequestHeader && f != protocol.HTTPResponseHeader && i != 0 {
		return nil, false
	}
	if d == packet.ToServer {
		if v, ok := t.requestBytes(f, i); ok {
			return v, true
		}
	} else if v, ok := t.responseBytes(f, i); ok {
		return v, true
	}
	return m.sharedBytes(f)
}

func (t *transaction) requestBytes(f protocol.Field, i int) ([]byte, bool) {
	m := &t.msg[packet.ToServer]
	switch f {
	case protocol.HTTPURI:
		return present(t.normal)
	case protocol.HTTPURIRaw:
		return present(t.uri)
	case protocol.HTTPMethod:
		return present(t.method)
	case protocol.HTTPProtocol:
		return present(t.protocol)
	case protocol.HTTPRequestLine:
		return present(chompLine(m))
	case protocol.HTTPRequestHeader:
		return m.nth(i)
	case protocol.HTTPHost:
		return present(t.host)
	case protocol.HTTPHostRaw:
		if t.target.host != nil {
			return t.host, true
		}
		return m.headers.get(knownHost)
	}
	k := requestField(f)
	if k == knownNone {
		return nil, false
	}
	return m.headers.get(k)
}

// requestField is the header field behind a field of requests.
func requestField(f protocol.Field) known {
	switch f {
	case protocol.HTTPCookie:
		return knownCookie
	case protocol.HTTPUserAgent:
		return knownUserAgent
	case protocol.HTTPAccept:
		return knownAccept
	case protocol.HTTPAcceptEncoding:
		return knownAcceptEncoding
	case protocol.HTTPAcceptLanguage:
		return knownAcceptLanguage
	case protocol.HTTPReferer:
		return knownReferer
	}
	return knownNone
}

func (t *transaction) responseBytes(f protocol.Field, i int) ([]byte, bool) {
	m := &t.msg[packet.ToClient]
	switch f {
	case protocol.HTTPProtocol:
		return present(t.respProt)
	case protocol.HTTPResponseLine:
		return present(chompLine(m))
	case protocol.HTTPStatusCode:
		return present(t.status)
	case protocol.HTTPStatusMessage:
		return present(t.reason)
	case protocol.HTTPResponseHeader:
		return m.nth(i)
	case protocol.HTTPCookie:
		return m.headers.get(knownSetCookie)
	case protocol.HTTPLocation:
		return m.headers.get(knownLocation)
	case protocol.HTTPServer:
		return m.headers.get(knownServer)
	}
	return nil, false
}

func (m *message) sharedBytes(f protocol.Field) ([]byte, bool) {
	switch f {
	case protocol.HTTPHeader:
		return m.fieldsView()
	case protocol.HTTPHeaderRaw:
		return present(m.headers.raw)
	case protocol.HTTPHeaderNames:
		return m.namesView()
	case protocol.HTTPStart:
		return m.startView()
	case protocol.HTTPConnection:
		return m.headers.get(knownConnection)
	case protocol.HTTPContentLength:
		return m.headers.get(knownContentLength)
	case protocol.HTTPContentType:
		return m.headers.get(knownContentType)
	}
	return nil, false
}

// chompLine is the first line without its end, nothing until it is complete.
func chompLine(m *message) []byte {
	if m.stage < protocol.StageLine {
		return nil
	}
	return chomp(m.line)
}

func present(b []byte) ([]byte, bool) { return b, len(b) > 0 }
