// Package corpus_test runs the inspection engine over a folder of captures and
// rules that is not part of this repository: nothing in it may make the engine
// panic, take more memory than is bounded, or disagree with what is known of
// the captures. It finds the folder by MASUGATA_CORPUS and skips without it.
package corpus_test

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/gate/offline"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
	"github.com/masugata/masugata/internal/inspect/rule"
)

// folder is a folder of the corpus; the test is skipped where there is none.
func folder(t testing.TB, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("captures of the corpus take long; -short leaves them out")
	}
	root := os.Getenv("MASUGATA_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus here (%v); set MASUGATA_CORPUS to its folder", err)
	}
	return dir
}

// long says whether hours may be spent.
func long() bool { return os.Getenv("MASUGATA_LONG") != "" }

// captures are the capture files below the folders, sorted by path.
func captures(t testing.TB, dirs ...string) []string {
	t.Helper()
	var out []string
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if e := filepath.Ext(path); e == ".pcap" || e == ".pcapng" || e == ".cap" {
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(out)
	return out
}

// setUp is an engine's configuration with the given rules and settings.
func setUp(t testing.TB, set *rule.Set, s engine.Settings) engine.Config {
	t.Helper()
	f, err := engine.FlowConfig(s, false)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Config{Specs: offline.Specs(s), Rules: set, Flow: f, Settings: s,
		Decoder: engine.DecoderOptions(s, false), Inspect: rule.InspectorConfig{PacketAlertMax: 15, RecursionLimit: 3000}}
}

// run feeds a capture to a new engine and gives how many frames there were,
// with the engine after it. A file that is broken counts up to there.
func run(t testing.TB, cfg engine.Config, path string) (uint64, *engine.Engine) {
	t.Helper()
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := capture.NewReader(bufio.NewReaderSize(f, 1<<18))
	if err != nil {
		t.Logf("%s: %v", filepath.Base(path), err)
		return 0, e
	}
	for n := uint64(1); ; n++ {
		frame, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s: %v", filepath.Base(path), err)
			}
			e.Close()
			return n - 1, e
		}
		e.Frame(frame.Link, frame.Data, frame.Time, n)
	}
}

// ends is a flow's transport, addresses and ports, the lower end first.
type ends struct {
	proto uint8
	a, b  netip.AddrPort
}

func newEnds(proto uint8, a, b netip.AddrPort) ends {
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return ends{proto, a, b}
}

// address is an address of a flow, 4 bytes long in IPv4.
func address(a packet.Addr, version uint8) netip.Addr {
	ip := netip.AddrFrom16(a)
	if version == 4 {
		return ip.Unmap()
	}
	return ip
}

func short(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}
