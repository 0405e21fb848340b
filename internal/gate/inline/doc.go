// Package inline inspects live traffic: it takes the frames that the data path
// hands over, runs the inspection engine on them, and lets them pass, drops or
// rejects them; it tells the kernel of flows that need no further look, and
// gathers alerts. It knows the engine and how a frame is named and answered.
// It does not know floods, policies of the control plane, or how alerts
// travel. Only internal/gate calls it.
package inline
