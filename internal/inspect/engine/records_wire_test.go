package engine

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule"
)

func addr(s string) packet.Addr { return netip.MustParseAddr(s).As16() }

// TestCommunity checks examples of the specification, from both ends.
func TestCommunity(t *testing.T) {
	for _, x := range []struct {
		f    flow.Flow
		want string
	}{
		{flow.Flow{Proto: 6, Client: addr("128.232.110.120"), ClientPort: 34855, Server: addr("66.35.250.204"), ServerPort: 80}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flow.Flow{Proto: 6, Client: addr("66.35.250.204"), ClientPort: 80, Server: addr("128.232.110.120"), ServerPort: 34855}, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{flow.Flow{Proto: 17, Client: addr("192.168.1.52"), ClientPort: 54585, Server: addr("8.8.8.8"), ServerPort: 53}, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
	} {
		r := NewRecords(nil, RecordOptions{})
		r.o.Begin()
		r.community(&x.f)
		if !strings.Contains(string(r.o.B), x.want) {
			t.Errorf("got %s, want %s", r.o.B, x.want)
		}
	}
}

// TestFlowRecord checks what a flow without a TCP session and one of ICMP show.
func TestFlowRecord(t *testing.T) {
	for _, c := range []struct {
		f    flow.Flow
		want string
	}{
		{flow.Flow{Proto: 6, TCPSeen: [2]uint8{0x18, 0x10}}, `"tcp":{"tcp_flags":"00","tcp_flags_ts":"00","tcp_flags_tc":"00"}`},
		{flow.Flow{Proto: 6, TCPSeen: [2]uint8{0x18, 0x10}, TCPState: flow.TCPClosed}, `"tcp_flags":"18"`},
		{flow.Flow{Proto: 58, ClientPort: 128, Packets: [2]uint64{1, 1}}, `"icmp_type":128,"icmp_code":0,"response_icmp_type":129,"response_icmp_code":0`},
		{flow.Flow{Proto: 58, ClientPort: 128, Packets: [2]uint64{1, 0}}, `"icmp_code":0,"flow":`},
	} {
		var out bytes.Buffer
		NewRecords(&out, RecordOptions{}).FlowEnd(&c.f, flow.ReasonShutdown, 0)
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s lacks %s", out.String(), c.want)
		}
	}
}

// TestAlertRecord checks what an alert carries with every option.
func TestAlertRecord(t *testing.T) {
	var out bytes.Buffer
	r := NewRecords(&out, RecordOptions{Capture: "a.pcap", Community: true, Ethernet: true, Verdict: true, Payload: true, Printable: true, Length: true, Packet: true, IPS: true})
	f := &flow.Flow{Proto: 6, IPVersion: 4, App: protocol.TLS, AppOriginal: protocol.SMTP, Client: addr("192.0.2.1"), Server: addr("192.0.2.2"), ClientPort: 4000, ServerPort: 25}
	f.AppDir[packet.ToClient] = protocol.Failed
	p := &packet.Packet{Has: packet.HasEthernet | packet.HasIPv4 | packet.HasTCP, IPVersion: 4, Proto: 6, Src: f.Client, Dst: f.Server, SrcPort: 4000, DstPort: 25,
		Payload: []byte("a\x00b"), Data: []byte{1, 2}, Number: 3}
	outer := &packet.Packet{Proto: 17, IPVersion: 4, Src: addr("198.51.100.1"), Dst: addr("198.51.100.2"), SrcPort: 9, DstPort: 4789, Number: 3}
	meta := &rule.Meta{SID: 7, Text: "alert tcp any any -> any any (sid:7;)"}
	frame := &protocol.Frame{Name: "pdu", Data: []byte("xy"), ID: 2}
	r.Alerts(&rule.Context{Packet: p, Flow: f, Outer: outer, Raw: []byte("raw")},
		&rule.Verdict{Action: rule.ActionReject, Alerts: []rule.Alert{{Rule: meta, Frame: frame, Stream: true, Drop: true}}})
	var got map[string]any
	if err := json.Unmarshal(out.Bytes()[:bytes.IndexByte(out.Bytes(), '\n')], &got); err != nil {
		t.Fatal(err, out.String())
	}
	for path, want := range map[string]string{
		"app_proto": `"tls"`, "app_proto_tc": `"failed"`, "app_proto_orig": `"smtp"`, "pcap_filename": `"a.pcap"`, "ether.src_mac": `"00:00:00:00:00:00"`,
		"payload": `"cmF3"`, "payload_printable": `"raw"`, "payload_length": "3", "stream": "1", "verdict.action": `"drop"`, "verdict.reject": `["tcp-reset"]`,
		"verdict.reject-target": `"to_client"`, "tunnel.depth": "0", "tunnel.dest_port": "4789", "frame.type": `"pdu"`, "frame.id": "2", "frame.length": "2",
		"alert.rule": `"` + strings.ReplaceAll(meta.Text, ">", `\u003e`) + `"`,
	} {
		var v any = got
		for part := range strings.SplitSeq(path, ".") {
			v = v.(map[string]any)[part]
		}
		if b, _ := json.Marshal(v); string(b) != want {
			t.Errorf("%s is %s, want %s", path, b, want)
		}
	}
}
