package flow

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/inspect/packet"
)

// Each step is "who flags seq ack [payload]"; the events of the last are told.
func TestStreamEvents(t *testing.T) {
	const open = "c S 1000 0;s SA 5000 1001;c A 1001 5001;"
	for _, x := range []struct{ steps, events string }{
		{"c R 1 0", "rst_but_no_session"},
		{"c FA 1 1", "fin_but_no_session"},
		{"c S 1000 5", "pkt_broken_ack"},
		{"c S 1000 0;c SA 1 1", "3whs_synack_in_wrong_direction"},
		{"c S 1000 0;s SA 5000 999", "3whs_synack_with_wrong_ack"},
		{"c S 1000 0;s SA 5000 1001;c SA 1000 5001", "3whs_synack_toserver_on_syn_recv"},
		{"c S 1000 0;s SA 5000 1001;s SA 5000 999", "3whs_synack_resend_with_different_ack"},
		{"c S 1000 0;s SA 5000 1001;s SA 6000 1001", "3whs_synack_resend_with_diff_seq"},
		{"c S 1000 0;s SA 5000 1001;s S 6000 0", "3whs_syn_toclient_on_syn_recv"},
		{"c S 1000 0;s SA 5000 1001;c S 2000 0", "3whs_syn_resend_diff_seq_on_syn_recv"},
		{"c S 1000 0;s SA 5000 1001;c A 1001 9", "3whs_right_seq_wrong_ack_evasion"},
		{"c S 1000 0;s SA 5000 1001;c A 9 9", "3whs_wrong_seq_wrong_ack"},
		{"c S 1000 0;s SA 5000 1001;s A 5 5", "3whs_ack_in_wrong_dir"},
		{"c S 1000 0;s SA 5000 1001;s A 5001 1001 data", "3whs_ack_data_inject"},
		{"c S 1000 0;s SA 1 1001;s SA 2 1001;s SA 3 1001;s SA 4 1001;s SA 5 1001;s SA 6 1001;s SA 7 1001", "3whs_synack_resend_with_diff_seq 3whs_synack_flood"},
		{"c S 1000 0;s S 5000 0;c SA 1000 7", "4whs_synack_with_wrong_ack"},
		{"c S 1000 0;s S 5000 0;c SA 7 5001", "4whs_synack_with_wrong_syn"},
		{"c S 1000 0;s S 5000 0;c SA 1000 5001;s A 7 1001", "4whs_wrong_seq"},
		{"c S 1000 0;s S 5000 0;c SA 1000 5001;s A 5001 1001", ""},
		{open + "s S 7 0", "est_syn_toclient"},
		{open + "c S 7 0", "est_syn_resend_diff_seq"},
		{open + "c S 1000 0", "est_syn_resend"},
		{open + "c SA 1000 5001", "est_synack_toserver"},
		{open + "s SA 5000 7", "est_synack_resend_with_different_ack"},
		{open + "s SA 7 1001", "est_synack_resend_with_diff_seq"},
		{open + "s SA 5000 1001", "est_synack_resend"},
		{open + "c A 1001 500000", "est_invalid_ack pkt_invalid_ack"},
		{open + "c A 500000 5001 x", "est_packet_out_of_window"},
		{open + "c A 1001 5001 abcdef;s A 5001 1007;c A 1001 5001 abc", "pkt_spurious_retransmission"},
		{open + "c FA 1001 500000", "fin_invalid_ack pkt_invalid_ack"},
		{open + "c FA 500000 5001", "fin_out_of_window"},
		{open + "c FSA 1001 5001", "fin_syn"},
		{open + "c RA 1001 900000", "pkt_invalid_ack rst_invalid_ack"},
		{open + "c RA 1001 5001;c A 1001 5001 x", "suspected_rst_inject"},
		{open + "c FA 1001 5001;c S 1000 0", "shutdown_syn_resend"},
		{open + "c FA 1001 5001;c FA 500000 5001", "closewait_fin_out_of_window"},
		{open + "c FA 1001 5001;c A 500000 5001", "closewait_ack_out_of_window"},
		{open + "c FA 1001 5001;s A 5001 900000", "closewait_invalid_ack pkt_invalid_ack"},
		{open + "s FA 5001 1001;c FA 500000 5002", "fin1_fin_wrong_seq"},
		{open + "s FA 5001 1001;c A 1001 900000", "fin1_invalid_ack pkt_invalid_ack"},
		{open + "s FA 5001 1001;c A 1001 5002;c A 500000 5002 x", "fin2_ack_wrong_seq"},
		{open + "s FA 5001 1001;c A 1001 5002;c FA 500000 5002", "fin2_fin_wrong_seq"},
		{open + "s FA 5001 1001;c F 1001 0;s A 9000 1002", "closing_ack_wrong_seq"},
		{open + "s FA 5001 1001;c FA 1001 5002;s A 9000 1002", "timewait_ack_wrong_seq"},
		{open + "c FA 1001 5001;s FA 5001 1002;c A 9000 5002", "lastack_ack_wrong_seq"},
		{open + "c FA 1001 5001;s FA 5001 1002;c A 1002 5002", ""},
	} {
		w := newWire(t, nil)
		var o Outcome
		for _, step := range strings.Split(x.steps, ";") {
			f := strings.Fields(step)
			o = w.tcp(f[0], f[1], number(f[2]), number(f[3]), strings.Join(f[4:], " "))
		}
		t.Log(x.steps)
		w.events(o, x.events)
	}
}

func number(s string) (n uint32) {
	for _, c := range s {
		n = n*10 + uint32(c-'0')
	}
	return n
}

func TestNamesOfEvents(t *testing.T) {
	for i, name := range StreamEventNames {
		if n, ok := StreamEventByName("stream." + name); !ok || int(n) != i || n.String() != name {
			t.Errorf("%d %q", i, name)
		}
	}
	if n, ok := StreamEventByName("est_synack_resend_with_diff_ack"); !ok || n != EvEstSynackResendDiffAck {
		t.Error("alias")
	}
	if _, ok := StreamEventByName("nothing"); ok {
		t.Error("an event out of nothing")
	}
}

func TestExceptionPolicies(t *testing.T) {
	for policy, want := range map[Policy]Outcome{
		PolicyDropFlow: {Drop: true}, PolicyReject: {Drop: true, Reject: true}, PolicyPassFlow: {Pass: true}, PolicyIgnore: {},
	} {
		w := newWire(t, func(c *Config) { c.Stream.MidstreamPolicy = policy })
		o := w.tcp("c", "A", 1001, 5001, "middle")
		if o.Drop != want.Drop || o.Reject != want.Reject || o.Pass != want.Pass {
			t.Errorf("%v: %+v", policy, o)
		}
		if o = w.tcp("c", "A", 1007, 5001, "more"); o.Drop != want.Drop {
			t.Errorf("%v, second packet: %+v", policy, o)
		}
	}
}

func TestEvictionOrderAndBound(t *testing.T) {
	w := newWire(t, func(c *Config) { c.MaxFlows, c.EmergencyAt = 3, 0 })
	udp := func(port uint16, back bool) Outcome {
		p := w.base(!back, protoUDP)
		p.Has |= packet.HasUDP
		if back {
			p.DstPort = port
		} else {
			p.SrcPort = port
		}
		return w.table.Packet(p)
	}
	udp(1, false)
	udp(1, true) // established
	udp(2, false)
	udp(3, false)
	udp(4, false) // 2 goes: new, and the longest silent
	if o := udp(1, false); o.New {
		t.Error("an established flow went before a new one")
	}
	if o := udp(2, false); !o.New {
		t.Error("the wrong flow was evicted")
	}
	if s := w.table.Stats(); s.Evicted[StateNew] != 2 || s.ActiveFlows != 3 || s.Finished[ReasonForced] != 2 {
		t.Errorf("%+v", s)
	}
}

func TestHostPolicyLongestPrefix(t *testing.T) {
	w := newWire(t, func(c *Config) {
		c.Hosts = []HostPolicy{{netip.MustParsePrefix("10.0.0.0/8"), OSLinux}, {netip.MustParsePrefix("10.0.0.2/32"), OSSolaris}, {allV4(), OSWindows}}
	})
	if a, b, c := w.table.osOf(v4(10, 0, 0, 2), 4), w.table.osOf(v4(10, 9, 9, 9), 4), w.table.osOf(v4(1, 1, 1, 1), 4); a != OSSolaris || b != OSLinux || c != OSWindows {
		t.Error(a, b, c)
	}
}

func TestICMPErrorBelongsToTheFlowItQuotes(t *testing.T) {
	w := newWire(t, nil)
	first := w.udp("c")
	p := w.base(false, protoICMP)
	p.Has |= packet.HasICMPv4
	p.Src, p.ICMPType, p.ICMPCode = v4(9, 9, 9, 9), 3, 1
	p.L4 = append(make([]byte, 8), fragment4(1, 0, false, []byte{0x9c, 0x40, 0, 80, 0, 8, 0, 0})...)
	if o := w.table.Packet(p); o.Flow != first.Flow || o.Dir != packet.ToClient || o.Established {
		t.Errorf("%+v", o)
	}
	p.L4[28+1] ^= 1
	if o := w.table.Packet(p); o.Flow != nil {
		t.Errorf("an error made a flow: %+v", o.Flow)
	}
}
