package ldap

import (
	"strconv"

	"github.com/masugata/masugata/internal/inspect/eve"
	"github.com/masugata/masugata/internal/inspect/packet"
)

var opNames = [...]string{
	"bind_request", "bind_response", "unbind_request", "search_request", "search_result_entry", "search_result_done", "modify_request",
	"modify_response", "add_request", "add_response", "del_request", "del_response", "mod_dn_request", "mod_dn_response",
	"compare_request", "compare_response", "abandon_request", 19: "search_result_reference", 23: "extended_request",
	24: "extended_response", 25: "intermediate_response",
}

// results are the result codes that have names (IANA's registry of LDAP
// parameters, and those of client libraries).
var results = [...]struct {
	code uint32
	name string
}{
	{0, "success"}, {1, "operations_error"}, {2, "protocol_error"}, {3, "time_limit_exceeded"}, {4, "size_limit_exceeded"},
	{5, "compare_false"}, {6, "compare_true"}, {7, "auth_method_not_supported"}, {8, "stronger_auth_required"}, {10, "referral"},
	{11, "admin_limit_exceeded"}, {12, "unavailable_critical_extension"}, {13, "confidentiality_required"},
	{14, "sasl_bind_in_progress"}, {16, "no_such_attribute"}, {17, "undefined_attribute_type"}, {18, "inappropriate_matching"},
	{19, "constraint_violation"}, {20, "attribute_or_value_exists"}, {21, "invalid_attribute_syntax"}, {32, "no_such_object"},
	{33, "alias_problem"}, {34, "invalid_dns_syntax"}, {35, "is_leaf"}, {36, "alias_dereferencing_problem"},
	{48, "inappropriate_authentication"}, {49, "invalid_credentials"}, {50, "insufficient_access_rights"}, {51, "busy"},
	{52, "unavailable"}, {53, "unwilling_to_perform"}, {54, "loop_detect"}, {60, "sort_control_missing"}, {61, "offset_range_error"},
	{64, "naming_violation"}, {65, "object_class_violation"}, {66, "not_allowed_on_non_leaf"}, {67, "not_allowed_on_rdn"},
	{68, "entry_already_exists"}, {69, "object_class_mods_prohibited"}, {70, "results_too_large"}, {71, "affects_multiple_dsas"},
	{76, "control_error"}, {80, "other"}, {81, "server_down"}, {82, "local_error"}, {83, "encoding_error"}, {84, "decoding_error"},
	{85, "timeout"}, {86, "auth_unknown"}, {87, "filter_error"}, {88, "user_canceled"}, {89, "param_error"}, {90, "no_memory"},
	{91, "connect_error"}, {92, "not_supported"}, {93, "control_not_found"}, {94, "no_results_returned"}, {95, "more_results_to_return"},
	{96, "client_loop"}, {97, "referral_limit_exceeded"}, {100, "invalid_response"}, {101, "ambiguous_response"},
	{112, "tls_not_supported"}, {113, "intermediate_response"}, {114, "unknown_type"}, {118, "canceled"}, {119, "no_such_operation"},
	{120, "too_late"}, {121, "cannot_cancel"}, {122, "assertion_failed"}, {123, "authorization_denied"},
	{4096, "e_sync_refresh_required"}, {16654, "no_operation"},
}

func resultCodes() map[string]uint64 {
	m := make(map[string]uint64, len(results))
	for _, r := range results {
		m[r.name] = uint64(r.code)
	}
	return m
}

// AppendEve appends the record.
func (t *Tx) AppendEve(dst []byte, _ packet.Direction) []byte {
	o := eve.Object{B: dst}
	o.Begin()
	if t.request.there {
		o.BeginObject("request")
		o.Uint("message_id", uint64(t.request.id))
		o.Str("operation", opNames[t.request.op])
		t.eveOperation(&o, &t.request)
		o.End()
	}
	if len(t.responses) > 0 {
		o.BeginArray("responses")
		for i := range t.responses {
			m := &t.responses[i]
			o.Begin()
			o.Str("operation", opNames[m.op])
			if !t.request.there {
				o.Uint("message_id", uint64(m.id))
			}
			t.eveOperation(&o, m)
			o.End()
		}
		o.EndArray()
	}
	o.End()
	return o.B
}

func (t *Tx) eveOperation(o *eve.Object, m *message) {
	switch m.op {
	case opUnbind, opAbandon, opReference:
		return
	}
	o.BeginObject(opNames[m.op])
	switch {
	case m.isResult:
		t.eveResult(o, m)
	case m.op == opBindRequest:
		o.Uint("version", uint64(m.version))
		o.Text("name", t.text(m.dn))
		if m.flag {
			o.BeginObject("sasl")
			o.Text("mechanism", t.text(m.text))
			o.End()
		}
	case m.op == opSearch:
		t.eveSearch(o, m)
	case m.op == opModify:
		o.Text("object", t.text(m.dn))
		t.eveChanges(o, m)
	case m.op == opAdd:
		o.Text("entry", t.text(m.dn))
		t.eveAttributes(o, m, "name")
	case m.op == opSearchEntry:
		o.Text("base_object", t.text(m.dn))
		t.eveAttributes(o, m, "type")
	default:
		t.eveOther(o, m)
	}
	o.End()
}

func (t *Tx) eveOther(o *eve.Object, m *message) {
	switch m.op {
	case opDelete:
		o.Text("dn", t.text(m.dn))
	case opModDN:
		o.Text("entry", t.text(m.dn))
		o.Text("new_rdn", t.text(m.text))
		o.Bool("delete_old_rdn", m.flag)
		if m.extra.n > 0 {
			o.Text("new_superior", t.text(m.extra))
		}
	case opCompare:
		o.Text("entry", t.text(m.dn))
		if m.pairs[0] < m.pairs[1] {
			p := &t.pairs[m.pairs[0]]
			o.BeginObject("attribute_value_assertion")
			o.Text("description", t.text(p.text)[:p.typeLen])
			o.Text("value", t.text(p.text)[p.typeLen+1:])
			o.End()
		}
	case opExtended, opIntermediate:
		o.Text("name", t.text(m.text))
		if m.extra.n > 0 {
			o.Text("value", t.text(m.extra))
		}
	}
}

func (t *Tx) eveResult(o *eve.Object, m *message) {
	name := ""
	for i := range results {
		if results[i].code == m.code {
			name = results[i].name
		}
	}
	if name == "" {
		var b [32]byte
		o.Text("result_code", strconv.AppendUint(append(b[:0], "unknown-"...), uint64(m.code), 10))
	} else {
		o.Str("result_code", name)
	}
	o.Text("matched_dn", t.text(m.dn))
	o.Text("message", t.text(m.text))
}

func (t *Tx) eveSearch(o *eve.Object, m *message) {
	o.Text("base_object", t.text(m.dn))
	for i, key := range [...]string{"scope", "deref_alias", "size_limit", "time_limit"} {
		o.Uint(key, uint64(m.numbers[i]))
	}
	o.Bool("types_only", m.flag)
	if m.hasFilter {
		o.BeginObject("filter")
		o.Str("type", "present")
		o.Text("value", t.text(m.filter))
		o.End()
	}
	if m.types[0] < m.types[1] {
		o.BeginArray("attributes")
		for _, a := range t.types[m.types[0]:m.types[1]] {
			o.ItemText(t.text(a.name))
		}
		o.EndArray()
	}
}

func (t *Tx) eveAttributes(o *eve.Object, m *message, key string) {
	if m.types[0] == m.types[1] {
		return
	}
	o.BeginArray("attributes")
	at := m.pairs[0]
	for i := m.types[0]; i < m.types[1]; i++ {
		o.Begin()
		o.Text(key, t.text(t.types[i].name))
		at = t.eveValues(o, "values", i, at, m.pairs[1])
		o.End()
	}
	o.EndArray()
}

func (t *Tx) eveChanges(o *eve.Object, m *message) {
	if m.types[0] == m.types[1] {
		return
	}
	o.BeginArray("changes")
	at := m.pairs[0]
	for i := m.types[0]; i < m.types[1]; i++ {
		o.Begin()
		o.Str("operation", [...]string{"add", "delete", "replace", "increment"}[t.types[i].change&3])
		o.BeginObject("modification")
		o.Text("attribute_type", t.text(t.types[i].name))
		at = t.eveValues(o, "attribute_values", i, at, m.pairs[1])
		o.End()
		o.End()
	}
	o.EndArray()
}

// eveValues writes the values of a type, which begin at pair at, and gives the
// pair after them.
func (t *Tx) eveValues(o *eve.Object, key string, attribute, at, end int32) int32 {
	if at >= end || t.pairs[at].attribute != attribute {
		return at
	}
	o.BeginArray(key)
	for ; at < end && t.pairs[at].attribute == attribute; at++ {
		p := &t.pairs[at]
		o.ItemText(t.text(p.text)[p.typeLen+1:])
	}
	o.EndArray()
	return at
}
