package quic

import (
	"context"
	stdtls "crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

var testID = []byte{0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08}

// TestKeys holds the derivation to RFC 9001 appendix A.1 and A.2.
func TestKeys(t *testing.T) {
	k := newKeys(version1, testID)
	side := &k.sides[packet.ToServer]
	if got := hex.EncodeToString(side.iv[:]); got != "fa044b2f42a3fd3b46fb255c" {
		t.Errorf("iv %s", got)
	}
	sample, _ := hex.DecodeString("d1b1c98dd7689fb8ec11d242b123dc9b")
	var mask [16]byte
	side.header.Encrypt(mask[:], sample)
	if got := hex.EncodeToString(mask[:5]); got != "437b9aec36" {
		t.Errorf("mask %s", got)
	}
}

// clientHello is one of Go's own.
func clientHello(t testing.TB) []byte {
	c := stdtls.QUICClient(&stdtls.QUICConfig{TLSConfig: &stdtls.Config{ServerName: "cam.example", NextProtos: []string{"h3"}, MinVersion: stdtls.VersionTLS13}})
	c.SetTransportParameters([]byte("\x71\x29\x05Test1"))
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		switch e := c.NextEvent(); e.Kind {
		case stdtls.QUICWriteData:
			return e.Data
		case stdtls.QUICNoEvent:
			t.Fatal("no hello")
		}
	}
}

// cryptoFrame is a CRYPTO frame.
func cryptoFrame(offset int, data []byte) []byte {
	b := []byte{6}
	b = binary.BigEndian.AppendUint16(b, uint16(offset)|0x4000)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data))|0x4000)
	return append(b, data...)
}

// seal makes an Initial packet.
func seal(version uint32, d packet.Direction, number byte, frames []byte) []byte {
	k := newKeys(version, testID)
	first := byte(0xc0)
	if version == version2 {
		first = 0xd0
	}
	b := binary.BigEndian.AppendUint32([]byte{first}, version)
	b = append(append(b, byte(len(testID))), testID...)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(1+len(frames)+16)|0x4000)
	pn := len(b)
	b = append(b, number)
	side := &k.sides[d]
	nonce := side.iv
	nonce[11] ^= number
	b = side.aead.Seal(b, nonce[:], frames, b)
	var mask [16]byte
	side.header.Encrypt(mask[:], b[pn+4:pn+20])
	b[0] ^= mask[0] & 0x0f
	b[pn] ^= mask[1]
	return b
}

func TestInitial(t *testing.T) {
	hello := clientHello(t)
	for _, version := range []uint32{version1, version2, 0xff00001d, 0xff000017} {
		f := parsetest.Open(t, Spec(), nil)
		// the second half comes first, in a packet before
		one := seal(version, packet.ToServer, 0, append(cryptoFrame(100, hello[100:]), 0, 0, 0, 1))
		two := seal(version, packet.ToServer, 1, cryptoFrame(0, hello[:100]))
		if probe(packet.ToServer, one, 0, 0) != protocol.Yes {
			t.Errorf("%x is not found", version)
		}
		f.Send(packet.ToServer, append(one, two...))
		if v := f.Text(0, protocol.QUICSNI, packet.ToServer, 0); v != "<none>" {
			t.Errorf("first packet has name %q", v)
		}
		for field, want := range map[protocol.Field]string{protocol.QUICSNI: "cam.example", protocol.QUICUserAgent: "Test1"} {
			if v := f.Text(1, field, packet.ToServer, 0); v != want {
				t.Errorf("%x: field %d is %q, want %q", version, field, v, want)
			}
		}
		if v := f.Text(1, protocol.JA4Hash, packet.ToServer, 0); !strings.HasPrefix(v, "q13d03") || !strings.Contains(v, "h3_") {
			t.Errorf("ja4 %q", v)
		}
		if eve := f.Eve(1, packet.ToServer); !strings.Contains(eve, `"sni":"cam.example"`) || !strings.Contains(eve, `{"name":"supported_versions","type":43,"values":["Tls13"]}`) {
			t.Errorf("record %s", eve)
		}
	}
}

func TestFailedDecrypt(t *testing.T) {
	b := seal(version1, packet.ToServer, 0, make([]byte, 50))
	b[len(b)-1] ^= 1
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToServer, b)
	if e := f.Tx(0).Inspection().Events; !e.Has(eventFailedDecrypt) {
		t.Errorf("events %x", e)
	}
	f.Parser.Reset()
	f.Send(packet.ToServer, seal(version1, packet.ToServer, 0, append(make([]byte, 50), 0x3f)))
	if e := f.Tx(0).Inspection().Events; !e.Has(eventErrorOnData) {
		t.Errorf("events %x", e)
	}
}

// googleHello is a CHLO with a name and a user agent.
func googleHello() string {
	return "CHLO\x03\x00\x00\x00PAD\x00\x02\x00\x00\x00SNI\x00\x0d\x00\x00\x00UAID\x11\x00\x00\x00--cam.exampletest"
}

func TestGoogle(t *testing.T) {
	stream := "\xa0\x01" + string(binary.BigEndian.AppendUint16(nil, uint16(len(googleHello())))) + googleHello()
	for name, text := range map[string]string{
		"Q043": "\x09" + string(testID) + "Q043\x01" + strings.Repeat("h", 12) + stream,
		"Q046": "\xc3Q046\x50" + string(testID) + "\x00\x00\x00\x01" + strings.Repeat("h", 12) + stream,
	} {
		f := parsetest.Open(t, Spec(), nil)
		if probe(packet.ToServer, []byte(text), 0, 0) != protocol.Yes {
			t.Errorf("%s is not found", name)
		}
		f.Send(packet.ToServer, []byte(text))
		for field, want := range map[protocol.Field]string{
			protocol.QUICSNI: "cam.example", protocol.QUICUserAgent: "test", protocol.QUICVersion: name, protocol.QUICCYUString: name[2:] + ",PAD-SNI-UAID",
		} {
			if v := f.Text(0, field, packet.ToServer, 0); v != want {
				t.Errorf("%s: field %d is %q, want %q", name, field, v, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(seal(version1, packet.ToServer, 0, make([]byte, 30)), []byte("\xc3Q046\x50abcdefgh\x00\x00\x00\x01"+strings.Repeat("h", 12)+googleHello()))
	fields := parsetest.Fields(protocol.QUIC)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fl := parsetest.Open(t, Spec(), nil)
		fl.Send(packet.ToServer, a)
		fl.Send(packet.ToClient, b)
		// the inside, which a fuzzer cannot seal
		p := fl.Parser.(*parser)
		if tx := p.newTx(packet.ToServer, version1); tx != nil {
			p.frames(tx, packet.ToServer, a)
			p.googleFrames(tx, b, 'Q'<<24)
			tx.setHello(b)
		}
		probe(packet.ToServer, a, 0, 0)
		fl.Finish(fields)
	})
}

func FuzzAssembly(f *testing.F) {
	f.Add([]byte{0, 5, 10, 5, 5, 5})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var a assembly
		var have [512]bool
		for ; len(steps) >= 2; steps = steps[2:] {
			from, n := int(steps[0]), int(steps[1])
			if !a.add(uint64(from), make([]byte, n)) {
				return
			}
			for i := from; i < from+n; i++ {
				have[i] = true
			}
		}
		want := 0
		for want < len(have) && have[want] {
			want++
		}
		if got := len(a.whole()); got != want {
			t.Errorf("%d bytes are whole, want %d", got, want)
		}
	})
}
