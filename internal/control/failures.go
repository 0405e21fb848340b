package control

import "time"

// tellEvery is how often a failure that repeats is logged.
const tellEvery = time.Minute

// failures counts a failure that repeats, so that it is logged now and then
// with its count. Not safe for concurrent use.
type failures struct {
	count int
	told  time.Time
}

// tell counts one failure and gives how many there were since it was last to
// be logged, or 0 when it is not to be logged now.
func (f *failures) tell(now time.Time) (count int) {
	f.count++
	if now.Sub(f.told) < tellEvery {
		return 0
	}
	count, f.count, f.told = f.count, 0, now
	return count
}
