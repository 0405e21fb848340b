package rest

import (
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Bucket is one step of a histogram.
type Bucket struct {
	Time   time.Time         `json:"time" doc:"Start of the step"`
	Counts map[string]uint64 `json:"counts" doc:"Count by the value of the field; the empty name when not split"`
}

// TopEntry is one value of a field and how many events have it.
type TopEntry struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// PolicyProblem is one thing that is wrong in a policy text.
type PolicyProblem struct {
	Line int    `json:"line" doc:"Line in the text, 0 when the problem has none"`
	Key  string `json:"key"`
	Text string `json:"text" doc:"What is wrong and what to write instead"`
}

// DryRun is what a policy would have decided.
type DryRun struct {
	Problems  []PolicyProblem `json:"problems"`
	Since     time.Time       `json:"since"`
	Decisions []Decision      `json:"decisions"`
}

// Decision is what a policy says of one action of the past.
type Decision struct {
	Action   model.ID         `json:"action"`
	Kind     model.ActionKind `json:"kind"`
	Incident model.ID         `json:"incident,omitzero"`
	Reason   string           `json:"reason"`
	Now      model.Mode       `json:"now" doc:"How far the action went"`
	Would    model.Mode       `json:"would" doc:"How far it would go under the text"`
}

// Overview is the state of everything on one page.
type Overview struct {
	Layers         []LayerState      `json:"layers"`
	Devices        DeviceNumbers     `json:"devices"`
	Parts          PartNumbers       `json:"parts"`
	Events24h      map[string]uint64 `json:"events_24h" doc:"Events of the last 24 hours by severity"`
	IncidentsOpen  int               `json:"incidents_open"`
	ActionsLive    int               `json:"actions_live"`
	StoppedPackets uint64            `json:"stopped_packets"`
	StoppedBytes   uint64            `json:"stopped_bytes"`
	Rates          Rates             `json:"rates"`
	Time           time.Time         `json:"time" doc:"The control plane's clock"`
}

// LayerState says how one of the four layers stands.
type LayerState struct {
	Layer         model.Layer   `json:"layer"`
	State         string        `json:"state" enum:"ok,attention,attack"`
	Coverage      CoverageCount `json:"coverage"`
	OpenIncidents int           `json:"open_incidents"`
	Gaps          []CoverageGap `json:"gaps" doc:"Protections that are not active, at most 20"`
}

// CoverageCount counts protections on all parts together.
type CoverageCount struct {
	Active int `json:"active"`
	Total  int `json:"total"`
}

// CoverageGap is one protection that does not work on one part.
type CoverageGap struct {
	Part       model.PartID `json:"part"`
	Protection string       `json:"protection"`
	Reason     string       `json:"reason"`
}

// DeviceNumbers counts devices.
type DeviceNumbers struct {
	Total     int `json:"total"`
	WithAgent int `json:"with_agent"`
	Attacking int `json:"attacking"`
	Contained int `json:"contained"`
}

// PartNumbers counts enrolled parts that are not revoked.
type PartNumbers struct {
	Agents  int `json:"agents"`
	Gates   int `json:"gates"`
	Offline int `json:"offline"`
}

// Rates are speeds of now.
type Rates struct {
	EventsPerSecond float64 `json:"events_per_second"`
}

// SessionView says who is signed in.
type SessionView struct {
	User    string       `json:"user"`
	Access  model.Access `json:"access"`
	Expires time.Time    `json:"expires,omitzero" doc:"When the session ends at the latest; absent for API tokens"`
}

// SystemStatus says how the control plane does.
type SystemStatus struct {
	Version string            `json:"version"`
	Started time.Time         `json:"started"`
	Time    time.Time         `json:"time"`
	Healthy bool              `json:"healthy"`
	Problem string            `json:"problem,omitempty"`
	Inner   map[string]string `json:"inner" doc:"State of the inner parts by name"`
	CAPin   string            `json:"ca_pin"`
	Link    string            `json:"link,omitempty" doc:"Where parts enrol"`
}

// PartView is a part and whether it is heard of.
type PartView struct {
	model.Part
	Online bool `json:"online"`
}
