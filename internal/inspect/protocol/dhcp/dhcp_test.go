package dhcp

import (
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/parsetest"
)

// message is a reply with options.
func message(options string) []byte {
	b := make([]byte, headerLen)
	copy(b, "\x02\x01\x06\x00\x00\x00\x3d\x1e")
	copy(b[16:], "\xc0\xa8\x00\x0a")
	copy(b[28:], "\x00\x0b\x82\x01\xfc\x42")
	copy(b[236:], "\x63\x82\x53\x63")
	return append(b, options...)
}

const ack = "\x35\x01\x05\x3a\x04\x00\x00\x07\x08\x3b\x04\x00\x00\x0c\x4e\x33\x04\x00\x00\x0e\x10\x01\x04\xff\xff\xff\x00\x0c\x01h\x3d\x03\x01ab\x37\x02\x01\x06\x06\x04\x01\x02\x03\x04\xff"

func TestMessage(t *testing.T) {
	f := parsetest.Open(t, Spec(), parsetest.Config{"eve.extended": "yes"})
	f.Send(packet.ToClient, message(ack))
	for field, want := range map[protocol.Field]int64{protocol.DHCPLease: 3600, protocol.DHCPRenewal: 1800, protocol.DHCPRebinding: 3150} {
		if got := f.Number(0, field, packet.ToClient, 0); got != want {
			t.Errorf("field %d: %d", field, got)
		}
	}
	want := `{"type":"reply","id":15646,"client_mac":"00:0b:82:01:fc:42","assigned_ip":"192.168.0.10","client_ip":"0.0.0.0","relay_ip":"0.0.0.0","next_server_ip":"0.0.0.0","dhcp_type":"ack","renewal_time":1800,"rebinding_time":3150,"lease_time":3600,"subnet_mask":"255.255.255.0","hostname":"h","client_id":"61:62","params":["subnet_mask","dns_server"],"dns_servers":["1.2.3.4"]}`
	if got := f.Eve(0, packet.ToClient); got != want {
		t.Errorf("eve %s", got)
	}
	if Spec().Probe(packet.ToClient, message(ack), 67, 68) != protocol.Yes {
		t.Error("probe")
	}
}

func TestShort(t *testing.T) {
	f := parsetest.Open(t, Spec(), nil)
	f.Send(packet.ToClient, message("\x35\x01"))
	if !f.Tx(0).Inspection().Events.Has(eventTruncated) || f.Eve(0, packet.ToClient) != "" {
		t.Error("truncated options")
	}
	f.Send(packet.ToClient, message("\x33\x01a\xff"))
	if !f.Tx(1).Inspection().Events.Has(eventMalformed) {
		t.Error("malformed options")
	}
}

func TestSteady(t *testing.T) {
	parsetest.Steady(t, Spec(), true, parsetest.Step{Dir: packet.ToClient, Data: message(ack)})
}

func FuzzParse(f *testing.F) {
	f.Add(append([]byte{0xff}, message(ack)...), true)
	parsetest.Fuzz(f, Spec(), parsetest.Config{"eve.extended": "yes"})
}
