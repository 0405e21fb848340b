package afxdp

import (
	"net/netip"
	"testing"
)

func addr(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// sendWhile sends a frame while the crossing turns beside, and waits for that
// to end, so that what the judge has seen can be read.
func sendWhile(t *testing.T, c *Crossing, j Judge, send func(testing.TB, ...[]byte) [][]byte, frame []byte) [][]byte {
	t.Helper()
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			if _, err := c.Worker(0).Turn(j, 1); err != nil {
				done <- err
				return
			}
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
		}
	}()
	got := send(t, frame)
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return got
}
