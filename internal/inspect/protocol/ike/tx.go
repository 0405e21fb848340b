package ike

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/single"
)

// Events, by their number in Spec.Events.
const (
	eventMalformed = iota
	eventNoEncryption
	eventWeakEnc
	eventWeakPRF
	eventWeakDH
	eventWeakAuth
	eventWeakNoDH
	eventWeakNoAuth
	eventInvalidProposal
	eventUnknownProposal
	eventExtraData
	eventMultipleServerProposal
)

// span is a piece of Tx.text.
type span struct{ from, to int }

// Tx is one message.
type Tx struct {
	single.Message
	head       header
	spi        [2][16]byte // of initiator and responder, as text
	doi        uint32
	hasDOI     bool
	failures   uint32
	state      *state
	msg        []byte
	key, nonce []byte // pieces of msg
	text       []byte
	vendors    []span
	transforms []transform
	payloads   []uint8
	notices    []uint16
}

// Clear makes it ready for the next message.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	*t = Tx{
		Message: t.Message, msg: t.msg[:0], text: t.text[:0], vendors: t.vendors[:0], transforms: t.transforms[:0],
		payloads: t.payloads[:0], notices: t.notices[:0],
	}
}

// Bytes answers indexes, vendors, key exchange and nonce; the last three of
// version 1 only, as rules know them.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	if d != t.Dir {
		return nil, false
	}
	if f == protocol.IKEVendor {
		if i >= len(t.vendors) {
			return nil, false
		}
		v := t.vendors[i]
		return t.text[v.from:v.to], true
	}
	if i > 0 {
		return nil, false
	}
	switch f {
	case protocol.IKEInitSPI:
		return t.spi[0][:], true
	case protocol.IKERespSPI:
		return t.spi[1][:], true
	case protocol.IKEKeyExchange:
		return t.key, len(t.key) > 0
	case protocol.IKENonce:
		return t.nonce, len(t.nonce) > 0
	}
	return nil, false
}

// Uint answers the exchange type and lengths.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	if d != t.Dir || i > 0 {
		return 0, false
	}
	switch f {
	case protocol.IKEExchange:
		return uint64(t.head.exchange), true
	case protocol.IKEKeyExchangeLength:
		return uint64(len(t.key)), len(t.key) > 0
	case protocol.IKENonceLength:
		return uint64(len(t.nonce)), len(t.nonce) > 0
	}
	return 0, false
}

// attributeName is an attribute as rules name it: its number in version 1, and
// the kind of transform in version 2 (0 for none).
type attributeName struct {
	name  string
	raw   string // in records: the number beside the name
	kind1 uint16
	kind2 uint8
}

var attributeNames = [...]attributeName{
	{"alg_enc", "alg_enc_raw", 1, kindEncryption}, {"alg_hash", "alg_hash_raw", 2, 0}, {"alg_auth", "alg_auth_raw", 3, kindIntegrity}, {"alg_dh", "alg_dh_raw", 4, kindDH},
	{"alg_prf", "alg_prf_raw", 13, kindPRF}, {"sa_group_type", "sa_group_type_raw", 5, 0}, {"sa_life_type", "sa_life_type_raw", 11, 0}, {"sa_life_duration", "sa_life_duration_raw", 12, 0},
	{"sa_key_length", "sa_key_length_raw", 14, 0}, {"sa_field_size", "sa_field_size_raw", 15, 0},
}

func keyword() protocol.Keyword {
	return protocol.Keyword{
		Name: "ike.chosen_sa_attribute", Dirs: protocol.ToClientOnly, On: []protocol.ID{protocol.IKE}, Stage: protocol.StageDone,
		Doc: "name=number of an attribute of the security association that the responder chose (alg_enc=7)",
		Compile: func(arg string) (protocol.Test, error) {
			text, number, _ := strings.Cut(arg, "=")
			want, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%q is not name=number such as alg_enc=7", arg)
			}
			for i := range attributeNames {
				if a := &attributeNames[i]; a.name == strings.TrimSpace(text) {
					return func(tx protocol.Tx, d packet.Direction) bool {
						t, ok := tx.(*Tx)
						if !ok || d != t.Dir {
							return false
						}
						v, ok := t.chosen(a)
						return ok && v == want
					}, nil
				}
			}
			return nil, fmt.Errorf("%q is not an attribute such as alg_enc, alg_hash, alg_auth, alg_dh, alg_prf or sa_key_length", text)
		},
	}
}

// state is what records tell of the messages before.
type state struct {
	doi    uint32
	hasDOI bool
	chosen transform // version 1: of the responder
	algs   [6]uint16 // version 2: by kind of transform, of the responder
	key    [2][]byte
	nonce  [2][]byte
	offers int // transforms that the responder has sent
}

// update takes what a message adds.
func (s *state) update(t *Tx) {
	if t.hasDOI {
		s.doi, s.hasDOI = t.doi, true
	}
	if t.head.major == 1 {
		if t.head.flags&1 == 0 {
			s.update1(t)
		}
		return
	}
	if t.Dir == packet.ToClient {
		for i := range t.transforms {
			if x := &t.transforms[i]; int(x.kind) < len(s.algs) {
				s.algs[x.kind] = x.id
			}
		}
	}
}

func (s *state) update1(t *Tx) {
	if t.hasDOI && t.Dir == packet.ToClient {
		s.offers, s.chosen.attributes = 0, s.chosen.attributes[:0]
	}
	s.key[t.Dir] = append(s.key[t.Dir][:0], t.key...)
	s.nonce[t.Dir] = append(s.nonce[t.Dir][:0], t.nonce...)
	if t.Dir == packet.ToServer {
		return
	}
	if s.offers <= 1 && s.offers+len(t.transforms) > 1 {
		t.Event(eventMultipleServerProposal)
	}
	if s.offers == 0 && len(t.transforms) > 0 {
		s.chosen.attributes = append(s.chosen.attributes[:0], t.transforms[0].attributes...)
	}
	s.offers += len(t.transforms)
}

func open(protocol.Settings) (func() protocol.Parser, error) {
	return func() protocol.Parser {
		s := &state{}
		return &single.Datagrams[Tx, *Tx]{
			Malformed: eventMalformed,
			Forget: func() {
				*s = state{chosen: transform{attributes: s.chosen.attributes[:0]}, key: s.key, nonce: s.nonce}
				for d := range s.key {
					s.key[d], s.nonce[d] = s.key[d][:0], s.nonce[d][:0]
				}
			},
			Fill: func(t *Tx, b []byte, _ *protocol.Env) bool {
				if !t.fill(b) {
					return false
				}
				t.state = s
				s.update(t)
				return true
			},
		}
	}, nil
}

// probe tells IKE by version, exchange type and length.
func probe(d packet.Direction, data []byte, srcPort, dstPort uint16) protocol.Verdict {
	h, ok := readHeader(data)
	onPort := srcPort == 500 || dstPort == 500
	switch {
	case !ok || !onPort:
		return protocol.No
	case h.major == 1:
		return protocol.Yes
	case h.major == 2 && h.minor == 0 && h.exchange >= 34 && h.exchange <= 37 && int64(h.length) == int64(len(data)):
		return protocol.Yes
	}
	return protocol.No
}

// reversed says whether a first message, which has no responder's index yet,
// goes to the client.
func reversed(d packet.Direction, data []byte, _ bool) bool {
	return d == packet.ToClient && len(data) >= headerLen && string(data[8:16]) == "\x00\x00\x00\x00\x00\x00\x00\x00"
}

// Spec describes IKE.
func Spec() protocol.Spec {
	return protocol.Spec{
		ID: protocol.IKE, Transport: protocol.OverUDP, Ports: []uint16{500}, Probe: probe, Open: open, Reversed: reversed,
		Keywords: []protocol.Keyword{keyword()},
		Events: []string{
			"malformed_data", "no_encryption", "weak_crypto_enc", "weak_crypto_prf", "weak_crypto_dh", "weak_crypto_auth",
			"weak_crypto_no_dh", "weak_crypto_no_auth", "invalid_proposal", "unknown_proposal", "payload_extra_data",
			"multiple_server_proposal",
		},
		Record: "ike", Packetwise: true,
	}
}
