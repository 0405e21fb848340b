package rest

import (
	"net/netip"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/model"
)

// The JSON form of some words of the model is narrower than their Go type
// says; these types carry their schemas.
type (
	idSchema            struct{}
	layerSchema         struct{}
	severitySchema      struct{}
	actionKindSchema    struct{}
	modeSchema          struct{}
	actionStateSchema   struct{}
	incidentStateSchema struct{}
	deviceStateSchema   struct{}
	roleSchema          struct{}
	accessSchema        struct{}
	addrSchema          struct{}
	prefixSchema        struct{}
	addrPortSchema      struct{}
	objectSchema        struct{}
	kindSchema          struct{}
	bandSchema          struct{}
	localSchema         struct{}
)

func oneOf(values ...any) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Enum: values} }

func (idSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", Description: "UUID version 7"}
}

func (layerSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("device", "network", "control", "data")
}

func (severitySchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("info", "low", "medium", "high", "critical")
}

func (actionKindSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("drop", "rate_limit", "kill_process")
}

func (modeSchema) Schema(huma.Registry) *huma.Schema { return oneOf("observe", "propose", "enforce") }

func (actionStateSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("proposed", "pending", "active", "failed", "undone", "retired", "expired")
}

func (incidentStateSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("open", "contained", "ended", "closed")
}

func (deviceStateSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("ok", "attacking", "contained")
}

func (roleSchema) Schema(huma.Registry) *huma.Schema { return oneOf("agent", "gate") }

func (accessSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("partner", "viewer", "operator", "admin")
}

func (addrSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "IPv4 or IPv6 address"}
}

func (prefixSchema) Schema(huma.Registry) *huma.Schema {
	// The pattern makes a wrong value an error of its field; whether the
	// numbers fit is seen when it is read.
	return &huma.Schema{
		Type: huma.TypeString, Description: "IPv4 or IPv6 prefix, such as 192.0.2.0/24",
		Pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$", PatternDescription: "a prefix such as 192.0.2.0/24 or 2001:db8::/32",
	}
}

func (addrPortSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "Address and port, such as 192.0.2.1:443"}
}

func (objectSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: "Address, prefix, name, URL, hash, …, as people write it"}
}

func (kindSchema) Schema(huma.Registry) *huma.Schema {
	var all []any
	for k := reputation.KindNone; k < reputation.NumKinds; k++ {
		all = append(all, k.String())
	}
	return oneOf(all...)
}

func (bandSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf("none", "low", "medium", "high", "certain")
}

func (localSchema) Schema(huma.Registry) *huma.Schema { return oneOf("", "allow", "deny") }

func aliasSchemas(r huma.Registry) {
	alias := func(t, as reflect.Type) { r.RegisterTypeAlias(t, as) }
	alias(reflect.TypeFor[model.ID](), reflect.TypeFor[idSchema]())
	alias(reflect.TypeFor[model.Layer](), reflect.TypeFor[layerSchema]())
	alias(reflect.TypeFor[model.Severity](), reflect.TypeFor[severitySchema]())
	alias(reflect.TypeFor[model.ActionKind](), reflect.TypeFor[actionKindSchema]())
	alias(reflect.TypeFor[model.Mode](), reflect.TypeFor[modeSchema]())
	alias(reflect.TypeFor[model.ActionState](), reflect.TypeFor[actionStateSchema]())
	alias(reflect.TypeFor[model.IncidentState](), reflect.TypeFor[incidentStateSchema]())
	alias(reflect.TypeFor[model.DeviceState](), reflect.TypeFor[deviceStateSchema]())
	alias(reflect.TypeFor[model.Role](), reflect.TypeFor[roleSchema]())
	alias(reflect.TypeFor[model.Access](), reflect.TypeFor[accessSchema]())
	alias(reflect.TypeFor[reputation.Object](), reflect.TypeFor[objectSchema]())
	alias(reflect.TypeFor[reputation.Kind](), reflect.TypeFor[kindSchema]())
	alias(reflect.TypeFor[reputation.Band](), reflect.TypeFor[bandSchema]())
	alias(reflect.TypeFor[reputation.Local](), reflect.TypeFor[localSchema]())
	alias(reflect.TypeFor[netip.Addr](), reflect.TypeFor[addrSchema]())
	alias(reflect.TypeFor[netip.Prefix](), reflect.TypeFor[prefixSchema]())
	alias(reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[addrPortSchema]())
}

// finishSchemas says in the description what the handlers keep to: lists are
// never null.
func finishSchemas(api *huma.OpenAPI) {
	for _, s := range api.Components.Schemas.Map() {
		arraysNotNull(s)
	}
	for _, path := range api.Paths {
		for _, o := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if o == nil {
				continue
			}
			for _, p := range o.Parameters {
				arraysNotNull(p.Schema)
			}
		}
	}
}

func arraysNotNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	arraysNotNull(s.Items)
	for _, p := range s.Properties {
		arraysNotNull(p)
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		arraysNotNull(more)
	}
}
