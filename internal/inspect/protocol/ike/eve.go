package ike

import (
	"encoding/hex"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

var encNames1 = [...]string{1: "EncDesCbc", "EncIdeaCbc", "EncBlowfishCbc", "EncRc5R16B64Cbc", "EncTripleDesCbc", "EncCastCbc", "EncAesCbc", "EncCamelliaCbc"}
var hashNames1 = [...]string{1: "HashMd5", "HashSha", "HashTiger", "HashSha2_256", "HashSha2_384", "HashSha2_512"}
var authNames1 = [...]string{1: "AuthPreSharedKey", "AuthDssSignatures", "AuthRsaSignatures", "AuthEncryptionWithRsa", "AuthRevisedEncryptionWithRsa"}
var groupNames1 = [...]string{
	1: "GroupDefault768BitModpGroup", "GroupAlternate1024BitModpGroup", "GroupEc2nOnGp2p155", "GroupEc2nOnGp2p185", "GroupModp1536Bit",
	14: "GroupModp2048Bit", "GroupModp3072Bit", "GroupModp4096Bit", "GroupModp6144Bit", "GroupModp8192Bit",
}
var lifeNames1 = [...]string{1: "LifeTypeSeconds", "LifeTypeKilobytes"}

var encNames2 = [...]string{
	1: "ENCR_DES_IV64", "ENCR_DES", "ENCR_3DES", "ENCR_RC5", "ENCR_IDEA", "ENCR_CAST", "ENCR_BLOWFISH", "ENCR_3IDEA", "ENCR_DES_IV32",
	11: "ENCR_NULL", "ENCR_AES_CBC", "ENCR_AES_CTR", "ENCR_AES_CCM_8", "ENCR_AES_CCM_12", "ENCR_AES_CCM_16",
	18: "ENCR_AES_GCM_8", "ENCR_AES_GCM_12", "ENCR_AES_GCM_16", "ENCR_NULL_AUTH_AES_GMAC",
	23: "ENCR_CAMELLIA_CBC", "ENCR_CAMELLIA_CTR", "ENCR_CAMELLIA_CCM_8", "ENCR_CAMELLIA_CCM_12", "ENCR_CAMELLIA_CCM_16", "ENCR_CHACHA20_POLY1305",
}
var prfNames2 = [...]string{
	"PRF_NULL", "PRF_HMAC_MD5", "PRF_HMAC_SHA1", "PRF_HMAC_TIGER", "PRF_AES128_XCBC", "PRF_HMAC_SHA2_256", "PRF_HMAC_SHA2_384",
	"PRF_HMAC_SHA2_512", "PRF_AES128_CMAC",
}
var authNames2 = [...]string{
	"NONE", "AUTH_HMAC_MD5_96", "AUTH_HMAC_SHA1_96", "AUTH_DES_MAC", "AUTH_KPDK_MD5", "AUTH_AES_XCBC_96", "AUTH_HMAC_MD5_128",
	"AUTH_HMAC_SHA1_160", "AUTH_AES_CMAC_96", "AUTH_AES_128_GMAC", "AUTH_AES_192_GMAC", "AUTH_AES_256_GMAC",
	"AUTH_HMAC_SHA2_256_128", "AUTH_HMAC_SHA2_384_192", "AUTH_HMAC_SHA2_512_256",
}
var dhNames2 = [...]string{
	"None", "Modp768", "Modp1024", 5: "Modp1536", 14: "Modp2048", "Modp3072", "Modp4096", "Modp6144", "Modp8192", "Ecp256", "Ecp384",
	"Ecp521", "Modp1024s160", "Modp2048s224", "Modp2048s256", "Ecp192", "Ecp224", 31: "Curve25519", "Curve448",
}
var esnNames2 = [...]string{"NoESN", "ESN"}

var payloadNames1 = [...]string{
	1: "SecurityAssociation", "Proposal", "Transform", "KeyExchange", "Identification", "Certificate", "CertificateRequest",
	"Hash", "Signature", "Nonce", "Notification", "Delete", "VendorID", 15: "SaKekPayload", "SaTekPayload", "KeyDownload", "SequenceNumber",
	"ProofOfPossession", "NatDiscovery", "NatOriginalAddress", "GroupAssociatedPolicy",
}
var payloadNames2 = [...]string{
	0: "NoNextPayload", 33: "SecurityAssociation", "KeyExchange", "IdentInitiator", "IdentResponder", "Certificate", "CertificateRequest", "Authentication",
	"Nonce", "Notify", "Delete", "VendorID", "TrafficSelectorInitiator", "TrafficSelectorResponder", "EncryptedAndAuthenticated",
	"Configuration", "ExtensibleAuthentication",
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("version_major", uint64(t.head.major))
	o.Uint("version_minor", uint64(t.head.minor))
	o.Text("init_spi", t.spi[0][:])
	o.Text("resp_spi", t.spi[1][:])
	o.Uint("message_id", uint64(t.head.id))
	o.Uint("exchange_type", uint64(t.head.exchange))
	if t.head.major == 1 {
		t.eve1(&o)
	} else {
		t.eve2(&o)
	}
	o.End()
	return o.B
}

func (t *Tx) eve1(o *eve.Object) {
	if t.state != nil {
		eveAttributes(o, t.state.chosen.attributes)
	}
	if t.Dir == packet.ToClient && len(t.transforms) > 1 {
		t.eveTransforms(o, "server_proposals")
	}
	t.evePayloads(o, payloadNames1[:])
	o.BeginObject("ikev1")
	if t.state != nil && t.state.hasDOI {
		o.Uint("doi", uint64(t.state.doi))
	}
	o.Bool("encrypted_payloads", t.head.flags&1 != 0)
	if t.head.flags&1 == 0 && t.state != nil {
		t.eveSide(o, "client", packet.ToServer)
		t.eveSide(o, "server", packet.ToClient)
		if len(t.vendors) > 0 {
			o.BeginArray("vendor_ids")
			for _, v := range t.vendors {
				o.ItemText(t.text[v.from:v.to])
			}
			o.EndArray()
		}
	}
	o.End()
}

func (t *Tx) eveSide(o *eve.Object, key string, d packet.Direction) {
	o.BeginObject(key)
	if k := t.state.key[d]; len(k) > 0 {
		hexText(o, "key_exchange_payload", k)
		o.Uint("key_exchange_payload_length", uint64(len(k)))
	}
	if n := t.state.nonce[d]; len(n) > 0 {
		hexText(o, "nonce_payload", n)
		o.Uint("nonce_payload_length", uint64(len(n)))
	}
	if d == packet.ToServer && t.Dir == d && len(t.transforms) > 0 {
		t.eveTransforms(o, "proposals")
	}
	o.End()
}

func (t *Tx) eveTransforms(o *eve.Object, key string) {
	o.BeginArray(key)
	for i := range t.transforms {
		o.Begin()
		eveAttributes(o, t.transforms[i].attributes)
		o.End()
	}
	o.EndArray()
}

func eveAttributes(o *eve.Object, attributes []attribute) {
	for _, a := range attributes {
		for i := range attributeNames {
			if n := &attributeNames[i]; n.kind1 == a.kind {
				o.Str(n.name, valueName(a))
				if a.short {
					o.Uint(n.raw, a.value)
				}
			}
		}
	}
}

func valueName(a attribute) string {
	var names []string
	switch a.kind {
	case 1:
		names = encNames1[:]
	case 2:
		names = hashNames1[:]
	case 3:
		names = authNames1[:]
	case 4:
		names = groupNames1[:]
	case 11:
		names = lifeNames1[:]
	}
	return named(names, int(min(a.value, 1<<16)), "Unknown")
}

func named(names []string, n int, other string) string {
	if n < len(names) && names[n] != "" {
		return names[n]
	}
	return other
}

func (t *Tx) eve2(o *eve.Object) {
	if t.head.flags&8 != 0 {
		o.Str("role", "initiator")
	} else {
		o.Str("role", "responder")
		if s := t.state; s != nil {
			o.Str("alg_enc", named(encNames2[:], int(s.algs[kindEncryption]), "ENCR_NULL"))
			o.Str("alg_auth", named(authNames2[:], int(s.algs[kindIntegrity]), "NONE"))
			o.Str("alg_prf", named(prfNames2[:], int(s.algs[kindPRF]), "PRF_NULL"))
			o.Str("alg_dh", named(dhNames2[:], int(s.algs[kindDH]), "None"))
			o.Str("alg_esn", named(esnNames2[:], int(s.algs[kindESN]), "NoESN"))
		}
	}
	t.evePayloads(o, payloadNames2[:])
	o.BeginObject("ikev2")
	o.Uint("errors", uint64(t.failures))
	if len(t.notices) > 0 {
		o.BeginArray("notify")
		for _, n := range t.notices {
			o.ItemUint(uint64(n))
		}
		o.EndArray()
	}
	o.End()
}

func (t *Tx) evePayloads(o *eve.Object, names []string) {
	o.BeginArray("payload")
	for _, k := range t.payloads {
		if name := named(names, int(k), ""); name != "" {
			o.ItemStr(name)
		} else if k != 0 {
			var b [4]byte
			o.ItemText(strconv.AppendUint(b[:0], uint64(k), 10))
		}
	}
	o.EndArray()
}

// hexText writes bytes as hexadecimal digits.
func hexText(o *eve.Object, key string, b []byte) {
	o.Str(key, "")
	o.B = hex.AppendEncode(o.B[:len(o.B)-1], b)
	o.B = append(o.B, '"')
}
