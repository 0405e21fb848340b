package video

import (
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/lab/tally"
)

// Late is how long after it was taken a frame is of no use any more.
const Late = 500 * time.Millisecond

// Checker judges the frames of one camera as they arrive: number, order,
// content and age. It needs the camera's clock to be its own, as in the lab.
// It is not safe for concurrent use.
type Checker struct {
	Name   string // of the counter, such as "video camera-a"
	Camera uint8
	Tally  *tally.Tally

	started bool
	next    uint32
}

// Frame judges one frame that arrived at the given time.
func (c *Checker) Frame(data []byte, at time.Time) {
	seen, err := Read(data)
	switch {
	case err != nil:
		return // its number is unknown: the next good frame finds the gap
	case seen.Camera != c.Camera:
		c.Tally.Wrong(c.Name, 1, fmt.Sprintf("a frame of camera %d, want camera %d", seen.Camera, c.Camera))
		return
	}
	if !c.started {
		c.started, c.next = true, seen.Number
	}
	gap := int32(seen.Number - c.next)
	if gap < 0 {
		c.Tally.Wrong(c.Name, 1, fmt.Sprintf("frame %d after frame %d", seen.Number, c.next-1))
		return
	}
	c.Tally.Lost(c.Name, uint64(gap), fmt.Sprintf("%d frames missing before frame %d", gap, seen.Number))
	c.next = seen.Number + 1
	if age := seen.Age(at); age > Late {
		c.Tally.Lost(c.Name, 1, fmt.Sprintf("frame %d came %s after it was taken", seen.Number, age))
		return
	}
	c.Tally.Good(c.Name, 1)
}
