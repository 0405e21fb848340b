package agent

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/masugata/masugata/internal/host/files"
	"github.com/masugata/masugata/internal/model"
)

// TestJoinedChangesAreToldWhenQuiet: the changes that are told together are
// told when the folder falls quiet, not with the next change.
func TestJoinedChangesAreToldWhenQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []*model.Event
		c := &changing{submit: func(e *model.Event) { got = append(got, e) }, device: func() model.DeviceID { return "" },
			names: &names{}, bursts: map[string]*burstOf{}}
		ctx, cancel := context.WithCancel(t.Context())
		go c.closing(ctx)
		for i := range changesMost + 100 {
			c.one(files.Change{Path: fmt.Sprintf("/srv/%d", i), Kind: files.Modified, Time: time.Now()})
		}
		if len(got) != changesMost {
			t.Errorf("%d events at once, want %d", len(got), changesMost)
		}
		time.Sleep(2 * changeWindow)
		synctest.Wait()
		if n := len(got); n != changesMost+1 || got[n-1].Count != 100 || got[n-1].Subject != "/srv/" {
			t.Errorf("%d events, the last %+v; want one more for 100 changes", n, got[n-1])
		}
		cancel()
	})
}
