package model

// Page asks for one page of a list. Before is the cursor that came with the
// page before it, empty for the first. Limit 0 means 100; more than 1,000 is
// cut to 1,000.
type Page struct {
	Limit  int
	Before string
}

// ActionFilter picks actions; empty fields pick all.
type ActionFilter struct {
	States   []ActionState
	Incident ID
	Device   DeviceID // the device in their scope
}

// IncidentFilter picks incidents; empty fields pick all.
type IncidentFilter struct {
	States []IncidentState
	Device DeviceID // one of those it comes from
}

// Counts are the numbers of what is kept, for an overview.
type Counts struct {
	Devices, DevicesWithAgent, DevicesAttacking, DevicesContained int
	IncidentsOpen                                                 int // open or contained
	ActionsLive                                                   int
	StoppedPackets, StoppedBytes                                  uint64 // by all actions ever
}
