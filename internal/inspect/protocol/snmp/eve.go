package snmp

import (
	"net/netip"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol/ber"
)

var pduNames = [...]string{
	"get_request", "get_next_request", "response", "set_request", "trap_v1", "get_bulk_request", "inform_request", "trap_v2", "report",
}

var trapNames = [...]string{
	"coldStart", "warmStart", "linkDown", "linkUp", "authenticationFailure", "egpNeighborLoss", "enterpriseSpecific",
}

var failureNames = [...]string{
	"NoError", "TooBig", "NoSuchName", "BadValue", "ReadOnly", "GenErr", "NoAccess", "WrongType", "WrongLength",
	"WrongEncoding", "WrongValue", "NoCreation", "InconsistentValue", "ResourceUnavailable", "CommitFailed", "UndoFailed",
	"AuthorizationError", "NotWritable", "InconsistentName",
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	o.Uint("version", uint64(t.version))
	if t.encrypted {
		o.Str("pdu_type", "encrypted")
		o.End()
		return o.B
	}
	o.Str("pdu_type", pduNames[t.pdu])
	if t.failure != 0 {
		o.Str("error", name(failureNames[:], t.failure))
	}
	if t.isTrap {
		t.eveTrap(&o)
	}
	if len(t.vars) > 0 {
		var text [256]byte
		o.BeginArray("vars")
		for _, oid := range t.vars {
			o.ItemText(ber.AppendOID(text[:0], oid))
		}
		o.EndArray()
	}
	if t.hasName {
		o.Text("community", t.community)
	}
	if t.hasUser {
		o.Text("usm", t.user)
	}
	o.End()
	return o.B
}

func (t *Tx) eveTrap(o *eve.Object) {
	var text [256]byte
	o.Str("trap_type", name(trapNames[:], t.trap))
	o.Text("trap_oid", ber.AppendOID(text[:0], t.trapOID))
	if t.hasAddr {
		o.Text("trap_address", netip.AddrFrom4(t.address).AppendTo(text[:0]))
	}
}

func name(names []string, n uint32) string {
	if int64(n) < int64(len(names)) {
		return names[n]
	}
	return "unknown"
}
