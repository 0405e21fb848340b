package model

import "time"

// Incident joins the events that tell one story, and the actions taken.
type Incident struct {
	ID         ID            `json:"id"`
	Kind       IncidentKind  `json:"kind"`
	Title      string        `json:"title"`
	Severity   Severity      `json:"severity"`
	State      IncidentState `json:"state"`
	Layers     []Layer       `json:"layers"`
	Devices    []DeviceID    `json:"devices"` // the devices it comes from
	Target     string        `json:"target"`  // whom it is aimed at, as text
	Vector     Vector        `json:"vector"`
	Shape      Shape         `json:"shape"` // what was learned of the attack's traffic
	Opened     time.Time     `json:"opened"`
	Updated    time.Time     `json:"updated"`
	Ended      time.Time     `json:"ended,omitzero"` // zero while it goes on
	Events     []ID          `json:"events"`         // the first 256 that belong to it
	EventCount uint64        `json:"event_count"`
	Actions    []ID          `json:"actions"`
	Story      []StoryLine   `json:"story"` // in order of time
	Technique  string        `json:"technique,omitempty"`
}

// IncidentKind says what story an incident tells.
type IncidentKind string

// The kinds of this version.
const (
	IncidentDDoSOutbound IncidentKind = "ddos.outbound"
	IncidentFileTamper   IncidentKind = "file.tamper"
	IncidentBadContact   IncidentKind = "reputation.contact" // a device spoke, or tried to, with things that are surely bad
)

// IncidentState is where an incident stands.
type IncidentState string

// The states, in order.
const (
	IncidentOpen      IncidentState = "open"
	IncidentContained IncidentState = "contained" // an applied action holds it
	IncidentEnded     IncidentState = "ended"     // the attack is over, its actions retired
	IncidentClosed    IncidentState = "closed"    // a person closed it
)

// StoryLine is one step of an incident. Code and Params let a console say it
// in the reader's language; Text says it in English.
type StoryLine struct {
	Time   time.Time         `json:"time"`
	Code   string            `json:"code"` // such as "flood.seen.agent", "action.sent", "action.applied", "flood.ended", "action.retired"
	Params map[string]string `json:"params,omitempty"`
	Text   string            `json:"text"`
	Event  ID                `json:"event,omitzero"`
	Action ID                `json:"action,omitzero"`
}
