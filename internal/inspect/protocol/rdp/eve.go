package rdp

import (
	"bytes"
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

var kindNames = [...]string{"initial_request", "initial_response", "connect_request", "connect_response", "tls_handshake"}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("tx_id", t.Inspection().Number+1)
	o.Str("event_type", kindNames[t.kind])
	switch t.kind {
	case kindInitialRequest:
		t.eveRequest(&o)
	case kindInitialResponse:
		t.eveResponse(&o)
	case kindConnectRequest:
		t.eveConnect(&o)
	}
	o.End()
	return o.B
}

func (t *Tx) eveRequest(o *eve.Object) {
	if len(t.text) > 0 {
		o.Text("cookie", t.text)
	}
	flags(o, "flags", uint16(t.flags), requestFlags[:])
}

// flags writes the names of the bits that are set, nothing when there are none.
func flags(o *eve.Object, key string, v uint16, names []string) {
	open := false
	for i, name := range names {
		if v&(1<<i) == 0 || name == "" {
			continue
		}
		if !open {
			o.BeginArray(key)
			open = true
		}
		o.ItemStr(name)
	}
	if open {
		o.EndArray()
	}
}

var requestFlags = [...]string{"restricted_admin_mode_required", "redirected_authentication_mode_required", "", "correlation_info_present"}
var responseFlags = [...]string{"extended_client_data", "dynvc_gfx", "", "restricted_admin", "redirected_authentication"}
var capabilities = [...]string{
	"support_errinfo_pdf", "want_32bpp_session", "support_statusinfo_pdu", "strong_asymmetric_keys", "", "valid_connection_type",
	"support_monitor_layout_pdu", "support_netchar_autodetect", "support_dynvc_gfx_protocol", "support_dynamic_time_zone", "support_heartbeat_pdu",
}

func (t *Tx) eveResponse(o *eve.Object) {
	switch {
	case t.failed:
		o.Uint("error_code", uint64(t.protocol))
		if t.protocol > 0 && t.protocol <= 6 {
			o.Str("reason", [...]string{
				1: "ssl required by server", "ssl not allowed by server", "ssl cert not on server", "inconsistent flags",
				"hybrid required by server", "ssl with user auth required by server",
			}[t.protocol])
		}
	case t.negotiated:
		flags(o, "server_supports", uint16(t.flags), responseFlags[:])
		name := "rdp"
		switch t.protocol {
		case 1:
			name = "ssl"
		case 2:
			name = "hybrid"
		case 4:
			name = "rds_tls"
		case 8:
			name = "hybrid_ex"
		}
		o.Str("protocol", name)
	}
}

func (t *Tx) eveConnect(o *eve.Object) {
	if t.hasClient {
		o.BeginObject("client")
		t.eveClient(o)
		o.End()
	}
	if len(t.channels) == 0 {
		return
	}
	o.BeginArray("channels")
	for b := t.channels; len(b) >= 8; b = b[8:] {
		name, _, _ := bytes.Cut(b[:8], []byte{0})
		o.ItemText(name)
	}
	o.EndArray()
}

func (t *Tx) eveClient(o *eve.Object) {
	c := &t.client
	var b [16]byte
	switch c.version {
	case 0x80001:
		o.Str("version", "v4")
	case 0x80004:
		o.Str("version", "v5")
	default:
		if n := c.version - 0x80005; n <= 12 {
			o.Text("version", strconv.AppendUint(append(b[:0], "v10."...), uint64(n), 10))
		}
	}
	o.Uint("desktop_width", uint64(c.width))
	o.Uint("desktop_height", uint64(c.height))
	if c.depth != 0 {
		o.Uint("color_depth", uint64(c.depth))
	}
	if c.keyboard == 0x409 {
		o.Str("keyboard_layout", "en-US")
	}
	eveBuild(o, c.build)
	o.Text("client_name", t.text)
	switch c.keyboardType {
	case 1:
		o.Str("keyboard_type", "xt")
	case 3:
		o.Str("keyboard_type", "at")
	case 4:
		o.Str("keyboard_type", "enhanced")
	case 7:
		o.Str("keyboard_type", "jp")
	}
	o.Uint("function_keys", uint64(c.functionKeys))
	o.Uint("product_id", uint64(c.productID))
	flags(o, "capabilities", c.capabilities, capabilities[:])
	if len(t.product) > 0 {
		o.Text("id", t.product)
	}
}

func eveBuild(o *eve.Object, n uint32) {
	switch {
	case n >= 2195 && n < 2600:
		o.Str("build", "Windows 2000")
	case n == 2600:
		o.Str("build", "Windows XP")
	case n == 3790:
		o.Str("build", "Windows Server 2003")
	case n >= 6000 && n < 7600:
		o.Str("build", "Windows Vista")
	case n == 7600 || n == 7601:
		o.Str("build", "Windows 7")
	case n == 9200:
		o.Str("build", "Windows 8")
	case n == 9600:
		o.Str("build", "Windows 8.1")
	case n >= 10240:
		o.Str("build", "Windows 10")
	}
}
