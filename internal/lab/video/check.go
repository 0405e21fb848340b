package video

import (
	"fmt"
	"time"

	"github.com/masugata/masugata/internal/lab/tally"
)

// Late is how long after its due time a frame is of no use any more.
const Late = 500 * time.Millisecond

// Checker judges the frames of one camera as they arrive: number, order,
// content and time. It is not safe for concurrent use.
type Checker struct {
	Name   string // of the counter, such as "video camera-a"
	Camera uint8
	Tally  *tally.Tally

	started bool
	next    uint32
	due     time.Time // when the next frame is due
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
		c.started, c.next, c.due = true, seen.Number, at
	}
	gap := int32(seen.Number - c.next)
	if gap < 0 {
		c.Tally.Wrong(c.Name, 1, fmt.Sprintf("frame %d after frame %d", seen.Number, c.next-1))
		return
	}
	c.Tally.Lost(c.Name, uint64(gap), fmt.Sprintf("%d frames missing before frame %d", gap, seen.Number))
	due := c.due.Add(time.Duration(gap) * time.Second / FPS)
	c.next = seen.Number + 1
	c.due = due.Add(time.Second / FPS)
	if at.After(due.Add(Late)) {
		c.Tally.Lost(c.Name, 1, fmt.Sprintf("frame %d came %s late", seen.Number, at.Sub(due).Round(time.Millisecond)))
		c.due = at.Add(time.Second / FPS)
		return
	}
	if at.Before(due) {
		c.due = at.Add(time.Second / FPS)
	}
	c.Tally.Good(c.Name, 1)
}

// Restart forgets the order after the connection was made anew.
func (c *Checker) Restart() { c.started = false }
