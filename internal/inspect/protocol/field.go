package protocol

import "github.com/masugata/masugata/internal/inspect/packet"

// Field names one thing that transactions show to rules: http.uri, tls.sni,
// mqtt.type. Numbers are handed out by family (see fields_*.go) and mean the
// same in every protocol that offers the field, so that one rule inspects
// HTTP/1 and HTTP/2 alike.
type Field uint16

// The families: the first field number of each. Every family has 128 numbers.
const (
	familyNone     Field = iota * 128
	familyFile           // file.data, file.name … of every protocol that carries files
	familyHTTP           // http.*, http2.*, websocket.*
	familyTLS            // tls.*, ja3*, ja4*, quic.*, ssh.*
	familyName           // dns.*, mdns.*, snmp.*, dhcp.*, ntp.*, tftp.*, sip.*, mqtt.*
	familyMail           // smtp.*, email.*, ftp.*
	familyWindows        // smb.*, dcerpc.*, krb5.*, rdp.*, ldap.*, nfs.*
	familyIndustry       // modbus.*, dnp3.*, enip.*, cip.*, ike.*, rfb.*, pgsql.*
)

// Kind is the sort of value a field has.
type Kind uint8

// The kinds.
const (
	KindBytes  Kind = iota // a buffer; rules apply content, pcre, bsize … to it
	KindStream             // a buffer that grows (bodies, files): inspected in windows, see Tx.Window
	KindUint               // a number: rules write 5, >5, <5, 3-8, !5 or a name
)

// Dirs is a set of directions.
type Dirs uint8

// The sets of directions in which a field is offered.
const (
	ToServerOnly Dirs = 1 << packet.ToServer
	ToClientOnly Dirs = 1 << packet.ToClient
	BothWays     Dirs = ToServerOnly | ToClientOnly
)

// Has says whether d is in the set.
func (s Dirs) Has(d packet.Direction) bool { return s&(1<<d) != 0 }

// Stage is how far a transaction has come in one direction. The same scale
// serves all protocols; those without phases only know StageNone and StageDone.
type Stage uint8

// The stages.
const (
	StageNone     Stage = 0   // nothing seen in this direction
	StageStart    Stage = 1   // something seen
	StageLine     Stage = 2   // first line or fixed header complete (HTTP request line; TLS hello; SMTP MAIL FROM)
	StageHeaders  Stage = 3   // headers complete (HTTP headers; TLS certificates)
	StageBody     Stage = 4   // body has begun
	StageBodyDone Stage = 5   // body complete
	StageTrailer  Stage = 6   // trailers complete
	StageDone     Stage = 255 // nothing more will come in this direction
)

// FieldSpec describes a field to the rule compiler and to the documentation.
type FieldSpec struct {
	Field    Field
	Keyword  string   // sticky buffer or numeric keyword: "http.uri"
	Aliases  []string // other spellings with the same meaning: "dns_query"
	Modifier string   // the old content modifier for it ("http_uri"), "" for none
	Kind     Kind
	Dirs     Dirs
	On       []ID              // protocols whose transactions offer it
	Stage    Stage             // from this stage on the value is final (KindStream: there may be some)
	Multi    bool              // there may be several; each is inspected by itself
	Names    map[string]uint64 // KindUint: names rules may write for values (lower case); nil for none
	Width    uint8             // KindUint: bits of the number: 8, 16, 32 or 64
	Doc      string            // what it is, in one line of plain words, for docs/RULES.md
}

// Keyword is a keyword with an argument of its own kind ("dcerpc.iface:UUID,
// >1", "mqtt.connect.flags:username"), which its protocol checks itself.
type Keyword struct {
	Name     string
	Aliases  []string
	Dirs     Dirs
	On       []ID
	Stage    Stage
	Optional bool // it may be written without an argument
	Doc      string
	// Compile turns the argument (as written, trimmed, without quotes; "" when
	// none) into a test. The error says what is wrong and what to write.
	Compile func(arg string) (Test, error)
}

// Test is a compiled Keyword. It must not allocate or keep tx.
type Test func(tx Tx, d packet.Direction) bool
