package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/gate"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("disk full"), ExitFailure},
		{configfile.Problems{{Text: "x"}}, ExitUsage},
		{errUsage{errors.New("x")}, ExitUsage},
		{fmt.Errorf("enrol: %w", &client.Refused{Message: "token used"}), ExitRefused},
		{fmt.Errorf("enrol: %w", client.ErrWrongCA), ExitRefused},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("%v: exit code %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestStatusForms(t *testing.T) {
	now := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	s := gate.Status{
		Version: "1.2", PID: 7, Started: now, Inside: "in", Outside: "out", Attach: "native", FailMode: "open", FloodMode: model.ModeEnforce,
		Coverage: []model.Coverage{{Protection: "spoof.source", Reason: "no prefixes"}},
		Blocks: []block.Block{{ID: model.ID{1}, Kind: model.ActionDrop, Mode: model.ModeEnforce, Device: "mac-020000000a01",
			Shape: model.Shape{Proto: 17, DstPort: 9}, Applied: now, Packets: 42, Author: "gate:g"}},
	}
	for name, want := range map[string][]string{
		"table": {"not enrolled, version 1.2", "in ⇄ out (native)", "MISSING: no prefixes", "UDP port 9", "42", "in force"},
		"json":  {`"flood_mode": "enforce"`, `"packets": 42`},
		"yaml":  {"flood_mode: enforce", "packets: 42"},
		"csv":   {"id,author,kind", ",42,", "2026-11-23T07:00:00Z"},
	} {
		var b bytes.Buffer
		if err := writers[name](&b, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", name, w, b.String())
			}
		}
	}
}
