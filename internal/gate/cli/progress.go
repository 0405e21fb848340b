package cli

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/masugata/masugata/internal/gate/offline"
)

// progressFrom is the size in bytes from which on a capture file has a
// progress bar.
const progressFrom = 20 << 20

// progress shows how far a large file is read, when people look on. What it
// returns takes the bar away and prints the report, which waits for that.
func progress(q *offline.Request, w io.Writer) func() {
	f, ok := w.(*os.File)
	st, err := os.Stat(q.Capture)
	if !ok || err != nil || st.Size() < progressFrom || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions64(st.Size(), progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("inspecting"), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
	var page bytes.Buffer
	out := q.Report
	if out != nil {
		q.Report = &page
	}
	q.Progress = func(read, _ int64) { _ = bar.Set64(read) } // an error here is one of drawing
	return func() {
		_ = bar.Finish()
		if out != nil {
			_, _ = page.WriteTo(out)
		}
	}
}
