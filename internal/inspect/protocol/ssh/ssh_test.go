package ssh

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// record is a packet of the binary protocol with 4 bytes of padding.
func record(message byte, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(2+len(body)+4))
	return string(append(b, 4, message)) + body + "\x00\x00\x00\x00"
}

func kexInit() string {
	body := strings.Repeat("c", 16)
	for _, l := range []string{"kex1,kex2", "ssh-rsa", "aes-c", "aes-s", "mac-c", "mac-s", "none", "zlib", "", ""} {
		body += string(binary.BigEndian.AppendUint32(nil, uint32(len(l)))) + l
	}
	return record(msgKexInit, body+"\x00\x00\x00\x00\x00")
}

func session() []parsetest.Step {
	return []parsetest.Step{
		{Dir: packet.ToClient, Data: []byte("SSH-2.0-dropbear_2022.83 comment\r\n" + kexInit())},
		{Dir: packet.ToServer, Data: []byte("SSH-2.0-OpenSSH_9.2\r\n" + kexInit() + record(30, "xx") + record(msgNewKeys, ""))},
		{Dir: packet.ToClient, Data: []byte(record(31, "yy") + record(msgNewKeys, "") + "encrypted")},
	}
}

func send(f *parsetest.Flow, steps []parsetest.Step, chunk int) (st protocol.Status) {
	for _, s := range steps {
		for b := s.Data; len(b) > 0; {
			n := min(chunk, len(b))
			st = f.Send(s.Dir, b[:n])
			b = b[n:]
		}
	}
	return st
}

func TestSession(t *testing.T) {
	for _, chunk := range []int{1, 5, 1000} {
		f := parsetest.Open(t, Spec(), parsetest.Config{"hassh": "yes"})
		if st := send(f, session(), chunk); st.Code != protocol.StatusDone {
			t.Errorf("status %v", st)
		}
		want := map[protocol.Field]string{
			protocol.SSHProto: "2.0", protocol.SSHSoftware: "OpenSSH_9.2", protocol.SSHHasshString: "kex1,kex2;aes-c;mac-c;none",
		}
		for field, w := range want {
			if v := f.Text(0, field, packet.ToServer, 0); v != w {
				t.Errorf("field %d is %q, want %q", field, v, w)
			}
		}
		if v := f.Text(0, protocol.SSHSoftware, packet.ToClient, 0); v != "dropbear_2022.83" {
			t.Errorf("server software %q", v)
		}
		if eve := f.Eve(0, packet.ToServer); !strings.Contains(eve, `"server":{"proto_version":"2.0","software_version":"dropbear_2022.83","hassh":{"hash":"`) {
			t.Errorf("record %s", eve)
		}
		if !f.Tx(0).Inspection().Events.Empty() {
			t.Error("events")
		}
	}
}

func TestEvents(t *testing.T) {
	for text, want := range map[string]uint8{
		"hello\r\nSSH-2.0-x\r\n":                           eventInvalidBanner,
		"SSH-2.0-" + strings.Repeat("x", 300) + "\r\n":     eventLongBanner,
		"SSH-2.0-x\r\n\x00\x00\x00\x01\x00\x14":            eventInvalidRecord,
		"SSH-2.0-x\r\n\x00\x00\x70\x00\x04\x14longoffer..": eventLongKexRecord,
	} {
		f := parsetest.Open(t, Spec(), nil)
		f.Send(packet.ToClient, []byte(text))
		if e := f.Tx(0).Inspection().Events; !e.Has(want) {
			t.Errorf("%q: events %x, want %d", text, e, want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"hassh": "yes"})
	steps := session()
	run := func() {
		f.Parser.Reset()
		send(f, steps, 100)
		f.Tx(0).Bytes(protocol.SSHHassh, packet.ToServer, 0)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 0 {
		t.Errorf("%v allocations a session", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("SSH-2.0-x\r\n"+kexInit()), []byte("hello\nSSH-1.99-y z\n"+record(21, "")), byte(7))
	fields := parsetest.Fields(protocol.SSH)
	f.Fuzz(func(t *testing.T, a, b []byte, chunk byte) {
		fl := parsetest.Open(t, Spec(), parsetest.Config{"hassh": "yes"})
		send(fl, []parsetest.Step{{Dir: packet.ToServer, Data: a}, {Dir: packet.ToClient, Data: b}}, int(chunk)+1)
		fl.Finish(fields)
	})
}
