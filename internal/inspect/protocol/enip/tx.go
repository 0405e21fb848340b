package enip

import (
	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/exchange"
)

// Tx is a request with its response.
type Tx struct {
	exchange.Base
	pdus [2]pdu // by direction
	msg  [2][]byte
}

// Clear makes it ready for the next exchange.
func (t *Tx) Clear(number uint64) {
	t.Begin(number)
	for d := range t.pdus {
		t.pdus[d].reset()
		t.msg[d] = t.msg[d][:0]
	}
}

// Bytes answers names of products and services.
func (t *Tx) Bytes(f protocol.Field, d packet.Direction, i int) ([]byte, bool) {
	p := &t.pdus[d]
	switch {
	case i > 0:
		return nil, false
	case f == protocol.ENIPProductName:
		return p.identity.name, p.identity.there
	case f == protocol.ENIPServiceName:
		return p.listed.name, p.listed.there
	}
	return nil, false
}

// Uint answers numbers of the encapsulation, the identity and CIP.
func (t *Tx) Uint(f protocol.Field, d packet.Direction, i int) (uint64, bool) {
	p := &t.pdus[d]
	if !p.there {
		return 0, false
	}
	switch f {
	case protocol.CIPClass:
		return p.value(segClass, i)
	case protocol.CIPInstance:
		return p.value(segInstance, i)
	case protocol.CIPAttribute:
		return p.value(segAttribute, i)
	case protocol.CIPStatus, protocol.CIPExtendedStatus:
		return p.statusAt(f, i)
	}
	if i > 0 {
		return 0, false
	}
	switch f {
	case protocol.ENIPCommand:
		return uint64(p.command), true
	case protocol.ENIPStatus:
		return uint64(p.status), true
	case protocol.ENIPVersion:
		return uint64(p.version), p.hasVer
	case protocol.ENIPCapabilities:
		return uint64(p.listed.capabilities), p.listed.there
	}
	return p.identity.number(f)
}

func (id *identity) number(f protocol.Field) (uint64, bool) {
	switch f {
	case protocol.ENIPRevision:
		return uint64(id.revision), id.there
	case protocol.ENIPIdentityStatus:
		return uint64(id.statusWord), id.there
	case protocol.ENIPState:
		return uint64(id.state), id.there
	case protocol.ENIPSerial:
		return uint64(id.serial), id.there
	case protocol.ENIPProductCode:
		return uint64(id.product), id.there
	case protocol.ENIPDeviceType:
		return uint64(id.device), id.there
	case protocol.ENIPVendor:
		return uint64(id.vendor), id.there
	}
	return 0, false
}

// value is the i-th segment of a kind in the message.
func (p *pdu) value(kind uint8, i int) (uint64, bool) {
	for n := range p.segments {
		if p.segments[n].kind == kind {
			if i == 0 {
				return uint64(p.segments[n].value), p.cip
			}
			i--
		}
	}
	return 0, false
}

func (p *pdu) statusAt(f protocol.Field, i int) (uint64, bool) {
	for n := range p.services {
		s := &p.services[n]
		if !p.cip || !s.response || f == protocol.CIPExtendedStatus && !s.hasExt {
			continue
		}
		if i == 0 {
			if f == protocol.CIPStatus {
				return uint64(s.status), true
			}
			return uint64(s.extended), true
		}
		i--
	}
	return 0, false
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	t.pdus[packet.ToServer].eve(&o, "request")
	t.pdus[packet.ToClient].eve(&o, "response")
	o.End()
	return o.B
}

func (p *pdu) eve(o *eve.Object, key string) {
	if !p.there {
		return
	}
	o.BeginObject(key)
	o.Str("command", commandName(p.command))
	o.Str("status", statusName(p.status))
	if p.options != 0 {
		o.Uint("options", uint64(p.options))
	}
	switch {
	case p.identity.there:
		p.identity.eve(o, p.version)
	case p.listed.there:
		o.BeginObject("list_services")
		o.Uint("protocol_version", uint64(p.version))
		o.Uint("capabilities", uint64(p.listed.capabilities))
		o.Text("service_name", p.listed.name)
		o.End()
	case p.hasVer:
		o.BeginObject("register_session")
		o.Uint("protocol_version", uint64(p.version))
		o.End()
	case p.cip && len(p.services) > 0:
		o.BeginObject("cip")
		p.eveService(o, &p.services[0])
		if len(p.services) > 1 {
			o.BeginArray("multiple")
			for i := range p.services[1:] {
				o.Begin()
				p.eveService(o, &p.services[1+i])
				o.End()
			}
			o.EndArray()
		}
		o.End()
	}
	o.End()
}

func (id *identity) eve(o *eve.Object, version uint16) {
	o.BeginObject("identity")
	o.Uint("protocol_version", uint64(version))
	o.Uint("vendor_id", uint64(id.vendor))
	o.Uint("device_type", uint64(id.device))
	o.Uint("product_code", uint64(id.product))
	o.Uint("revision", uint64(id.revision))
	o.Uint("status", uint64(id.statusWord))
	o.Uint("serial", uint64(id.serial))
	o.Text("product_name", id.name)
	o.Uint("state", uint64(id.state))
	o.End()
}

func (p *pdu) eveService(o *eve.Object, s *service) {
	o.Uint("service", uint64(s.code))
	if s.response {
		o.Uint("status", uint64(s.status))
		if s.hasExt {
			o.Uint("status_extended", uint64(s.extended))
		}
		return
	}
	if s.from == s.to {
		return
	}
	o.BeginArray("path")
	for _, seg := range p.segments[s.from:s.to] {
		o.Begin()
		switch seg.kind {
		case segClass:
			o.Str("segment_type", "class")
		case segInstance:
			o.Str("segment_type", "instance")
		case segAttribute:
			o.Str("segment_type", "attribute_id")
		default:
			o.Str("segment_type", "other")
		}
		o.Uint("value", uint64(seg.value))
		o.End()
	}
	o.EndArray()
}

func commandName(n uint16) string {
	switch n {
	case cmdNop:
		return "nop"
	case cmdListServices:
		return "list_services"
	case cmdListIdentity:
		return "list_identity"
	case cmdListInterfaces:
		return "list_interfaces"
	case cmdRegister:
		return "register_session"
	case cmdUnregister:
		return "unregister_session"
	case cmdSendRRData:
		return "send_rr_data"
	case cmdSendUnitData:
		return "send_unit_data"
	case cmdStatus:
		return "indicate_status"
	case cmdCancel:
		return "cancel"
	}
	return "unknown"
}

func statusName(n uint32) string {
	switch n {
	case 0:
		return "success"
	case 1:
		return "invalid_cmd"
	case 2:
		return "no_resources"
	case 3:
		return "incorrect_data"
	case 0x64:
		return "invalid_session"
	case 0x65:
		return "invalid_length"
	case 0x69:
		return "unsupported_prot_rev"
	case 0x6a:
		return "encap_header_error"
	}
	return "unknown"
}
