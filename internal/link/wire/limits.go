package wire

// Bounds on what is written and accepted. Writers cut texts and lists to
// them; readers refuse what goes beyond.
const (
	MaxBatchBytes  = 4 << 20  // one serialised EventBatch
	MaxBatchEvents = 20_000   // events in one batch
	MaxEventBytes  = 64 << 10 // one serialised Event
	MaxShort       = 256      // bytes: kinds, rules, ids, techniques, observable types
	MaxText        = 4096     // bytes: subjects, paths, explanations, values
	MaxList        = 64       // observables, arguments, remotes of one event
	MaxActions     = 100_000  // actions in one set
	MaxPrefixes    = 100_000  // prefixes, device limits or paths in one policy
)
