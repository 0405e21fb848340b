package rule

import (
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/rule/payload"
)

// Options are what Compile needs beside the rules. The zero value compiles
// rules that use no variable, no classification and no protocol.
type Options struct {
	AddressVars map[string]string // vars.address-groups: HOME_NET → "[192.168.0.0/16,…]"
	PortVars    map[string]string // vars.port-groups: HTTP_PORTS → "80"

	Specs []protocol.Spec // the protocols that run: protocol/all

	// Fields are what rules may ask of transactions: protocol.Fields. Programs
	// without parsers leave them out, and the keywords that go with them.
	Fields []protocol.FieldSpec

	// OnlyParsed refuses rules about protocols none of which is in Specs, instead
	// of loading rules that never match.
	OnlyParsed bool

	Classification []byte // classification.config: "config classification: name,long name,priority"
	Reference      []byte // reference.config: "config reference: system url"
	Threshold      []byte // threshold.config: suppress, threshold and rate_filter lines

	// Load reads a file that a rule or a data set names. nil: rules that need
	// one are refused.
	Load func(name string) ([]byte, error)

	// Library and JSON are what some keywords need and small programs leave out;
	// package library has them. Rules that need what is missing are refused.
	Library payload.Library
	JSON    func(text []byte) (any, error)

	Datasets   map[string]DatasetSetting // datasets of the configuration, by name
	Reputation Reputation                // iprep files of the configuration

	KeepText bool // metas keep the rules' text, for records

	// Settings gives engine settings by Suricata's dotted names
	// ("detect.inspection-recursion-limit"), for `requires` and limits; nil for none.
	Settings func(name string) (string, bool)
}

// DatasetSetting is one entry of the configuration's datasets section.
type DatasetSetting struct {
	Type     string // md5, sha256, string, ipv4, ip
	State    string // path, "" for none
	Load     string // path, "" for none
	MemCap   uint64 // bytes, 0 for the default
	HashSize uint64
}

// Reputation are the IP reputation files of the configuration. The zero value
// is none: rules with iprep are then refused.
type Reputation struct {
	Categories []byte            // reputation-categories-file
	Files      map[string][]byte // reputation-files by name
}

// InspectorConfig bounds an Inspector.
type InspectorConfig struct {
	PacketAlertMax int // alerts a packet, 0 for 15; more are dropped, the least important first
	RecursionLimit int // steps of backtracking a buffer, 0 for 3000
	FlowMemory     int // flows with flowbits and the like, 0 for 65536
	HostMemory     int // hosts with hostbits, thresholds and tags, 0 for 65536
	IPS            bool
}
