package rest

import (
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// TestLargeBodiesHaveTime: a list of the largest size comes over a slow link, too.
func TestLargeBodiesHaveTime(t *testing.T) {
	for _, path := range describe().Paths {
		for _, o := range []*huma.Operation{path.Post, path.Put} {
			if o != nil && o.MaxBodyBytes > 1<<20 && o.BodyReadTimeout < time.Minute {
				t.Errorf("%s: %d MB in %v", o.OperationID, o.MaxBodyBytes>>20, o.BodyReadTimeout)
			}
		}
	}
}

// TestCrowd: of one name only so many are inside; others do not notice.
func TestCrowd(t *testing.T) {
	var c crowd
	var leave []func()
	for range partnerAtOnce {
		out, ok := c.enter("a")
		if !ok {
			t.Fatal("refused too early")
		}
		leave = append(leave, out)
	}
	if out, ok := c.enter("a"); ok {
		t.Error("one too many is let in")
	} else {
		out()
	}
	if out, ok := c.enter("b"); !ok {
		t.Error("another is kept out")
	} else {
		out()
	}
	leave[0]()
	if out, ok := c.enter("a"); !ok {
		t.Error("nobody is let in after one left")
	} else {
		out()
	}
	for _, out := range leave[1:] {
		out()
	}
	if len(c.inside) != 0 {
		t.Errorf("%v stay", c.inside)
	}
}
