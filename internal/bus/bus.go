// Package bus carries event batches from the link to the store within the
// control plane, durably: a NATS JetStream server embedded in the process,
// reached in memory, with its stream on disk and synced before a publish
// returns. It knows batches, joins them into large messages, and bounds the
// disk; it does not know what events mean. The link server publishes, the
// ingest pipeline consumes.
package bus

import (
	"errors"
	"time"

	"github.com/masugata/masugata/internal/model"
)

// Batch is what one Report call of a part brought.
type Batch struct {
	Part     model.PartID
	Role     model.Role
	Device   model.DeviceID // agents: their device
	Epoch    uint64
	Seq      uint64 // from 1, without a gap within the epoch
	Received time.Time
	Events   []byte // a serialised link.v1.EventBatch, not compressed
}

// ErrFull says that the bus holds as much as it may because events are not
// stored fast enough, or not at all. Publishing again later works; parts keep
// their events meanwhile.
var ErrFull = errors.New("bus: full, events wait to be stored: try again later")

// ErrClosed says that the bus is closed or closing. Nothing of the batch is
// kept unless Publish said so before.
var ErrClosed = errors.New("bus: closed")

// ErrMalformed says that a batch is not a serialised EventBatch or is larger
// than MaxBatch; sending it again is useless.
var ErrMalformed = errors.New("bus: malformed batch")

// MaxBatch is how many bytes the Events of one batch may have.
const MaxBatch = 4 << 20
