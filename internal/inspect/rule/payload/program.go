package payload

// Variables are the names of one rule's byte_extract and byte_math results:
// programs of one rule that share a Variables share the values. The zero value
// is ready. It is needed for Compile only.
type Variables struct {
	names []string
}

// MaxVariables is how many different variables a rule may have.
const MaxVariables = 64

// Options are what Compile wants to know beside the steps.
type Options struct {
	Variables *Variables // nil: the program's variables are its own
}

// Literal is a byte string that must occur in a buffer for a Program to match.
type Literal struct {
	Op          int // index of the Op it belongs to
	Bytes       []byte
	NoCase      bool
	Offset      int  // earliest begin in the buffer, 0 when unknown
	Depth       int  // all of it lies within the first Depth bytes; 0 when unknown
	FastPattern bool // the rule's author asked for it
	FromPCRE    bool // required by a regular expression
	// Whole says that the literal is a content, nothing restricts where in the
	// buffer it is beyond Offset and Depth, and no other Op depends on its
	// place: finding it is matching the Op.
	Whole bool
}

// Program is the compiled tests of one buffer. It never changes and is shared
// by goroutines.
type Program struct {
	steps  []step
	absent bool
	orElse bool
}

// Capture is what a pcre group with a name for the packet or flow caught.
type Capture struct {
	Name  string // as in the rule
	Flow  bool   // keep it with the flow, else with the packet
	Value []byte // part of the buffer
}

// State is the memory of one goroutine for matching. The zero value is ready,
// with Limit 0 for the default. It grows to what the largest buffer needs.
type State struct {
	// Limit is how many steps one Match may take before it gives up and says
	// no (Suricata's detect.inspection-recursion-limit); 0 is DefaultLimit.
	Limit int
	// DCELittle is the byte order of the DCERPC message under inspection.
	DCELittle bool
	// Final says that the buffer will not grow any more.
	Final bool
	// Captures gathers what regular expressions caught in matches. The caller
	// empties it.
	Captures []Capture
	// Caller is for Hooks.
	Caller any

	matcher
}

// DefaultLimit is Suricata's default of inspection-recursion-limit.
const DefaultLimit = 3000

// Forget clears variables and captures: call it before the first program of
// each rule.
func (st *State) Forget() {
	st.Captures = st.Captures[:0]
	st.forget()
}

// MatchAbsent says whether the program matches when its buffer is absent.
func (p *Program) MatchAbsent() bool { return p.absent }
