// Package offline runs the inspection engine over capture files: it opens the
// files, reads Suricata's configuration, flags and rule files, and writes
// eve.json. It knows nothing of live traffic. The command line of the gate
// calls it.
package offline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/masugata/masugata/internal/gate/listed"
	"github.com/masugata/masugata/internal/inspect/engine"
	"github.com/masugata/masugata/internal/inspect/engine/report"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/packet/capture"
	"github.com/masugata/masugata/internal/inspect/packet/filter"
	"github.com/masugata/masugata/internal/inspect/protocol"
	"github.com/masugata/masugata/internal/inspect/protocol/all"
	"github.com/masugata/masugata/internal/inspect/rule"
	"github.com/masugata/masugata/internal/intel/reputation/edge"
	"github.com/masugata/masugata/internal/model"
)

// Request is what `masugata-gate read` was asked to do.
type Request struct {
	Capture     string
	Rules       []string // files
	Out         string   // folder for eve.json, "" for none
	Config      string   // Suricata's YAML, "" for none
	Include     []string // more configuration files, read after Config
	Set         []string // KEY=VALUE
	Filter      string   // a small part of pcap-filter: "port 22"
	NoChecksums bool
	IPS         bool // drop rules count as dropping, streams are handled inline
	Warn        func(format string, args ...any)
	Progress    func(read, size int64) // called now and then
	Report      io.Writer              // gets a page for people at the end; nil for none
	Listed      *edge.Set              // things of bad reputation; nil: nothing is looked for
	Least       edge.Tier              // from which on they count
}

// Result is what a run found.
type Result struct {
	Stats    engine.Stats
	Flow     flow.Stats
	Rules    int
	Refusals []rule.Refusal
}

// Run inspects the capture. It stops early when ctx ends.
func Run(ctx context.Context, q Request) (*Result, error) {
	settings, err := Settings(q.Config, q.Include, q.Set)
	if err != nil {
		return nil, err
	}
	set, refusals, err := CompileRules(q.Rules, settings)
	if err != nil {
		return nil, err
	}
	res := &Result{Rules: len(set.Rules()), Refusals: refusals}
	warnRefusals(q, refusals)
	out, err := openRecords(q.Out)
	if err != nil {
		return nil, err
	}
	defer out.close()
	cfg, err := engineConfig(settings, q)
	if err != nil {
		return nil, err
	}
	cfg.Rules, cfg.Hashes = set, recordHashes(settings)
	late := &lateBits{}
	written := newRecords(q, settings, set, out, late)
	var page *report.Collector
	if q.Report != nil {
		page = report.New()
	}
	cfg.Sink = sinks(page, written)
	e, err := engine.New(cfg)
	if err != nil {
		return nil, err
	}
	late.e = e
	cut, err := feed(ctx, e, q)
	if err != nil {
		return nil, err
	}
	res.Stats, res.Flow = e.Stats(), e.FlowStats()
	totals := engine.Totals{Engine: res.Stats, Flow: res.Flow, Rules: res.Rules, Fails: len(refusals)}
	if written != nil {
		written.Stats(&totals)
	}
	if page != nil {
		err := page.Write(q.Report, &report.Source{File: q.Capture, Filter: q.Filter, Truncated: cut, Checked: cfg.Decoder.Checksums != 0, Totals: totals, Listed: q.looked()})
		if err != nil {
			return nil, err
		}
	}
	saveDatasets(e, settings, q.Warn)
	return res, out.close()
}

// known looks things up in the request's set, nil without one. Where nothing can
// be stopped they are only told.
func (q *Request) known() engine.Known {
	if q.Listed == nil {
		return nil
	}
	r := listed.NewReader()
	r.Use(q.Listed, nil)
	mode := model.ModeObserve
	if q.IPS {
		mode = model.ModeEnforce
	}
	r.Regard(mode, q.Least)
	return r
}

// looked is how many things of bad reputation were looked for.
func (q *Request) looked() int {
	if q.Listed == nil {
		return 0
	}
	return q.Listed.Len()
}

// warnRefusals names each rule that is not honoured; a page for people only
// counts them.
func warnRefusals(q Request, refusals []rule.Refusal) {
	if q.Report != nil {
		return
	}
	for _, r := range refusals {
		q.Warn("%s", RefusalText(&r))
	}
}

// RefusalText is a refusal in one line: file:line:column: problem — mend.
func RefusalText(r *rule.Refusal) string {
	text := fmt.Sprintf("%s:%d:%d: %s", r.File, r.Line, r.Column, r.Problem)
	if r.Mend != "" {
		text += " — " + r.Mend
	}
	return text
}

// lateBits lets records ask an engine that is made after them.
type lateBits struct{ e *engine.Engine }

func (l *lateBits) flowbits(slot int32, yield func(string, bool, uint32)) {
	l.e.Inspector().Flowbits(slot, yield)
}

// newRecords writes eve.json, or is nil when there is none to write.
func newRecords(q Request, s engine.Settings, set *rule.Set, out *records, late *lateBits) *engine.Records {
	if out.w == nil {
		return nil
	}
	opt := recordOptions(s, q.IPS, q.Capture)
	opt.Flowbits = late.flowbits
	opt.Magic = opt.Magic || set.WantsMagic()
	return engine.NewRecords(out.w, opt)
}

func sinks(page *report.Collector, r *engine.Records) engine.Sink {
	switch {
	case r == nil && page == nil:
		return nil
	case r == nil:
		return page
	case page == nil:
		return r
	}
	return engine.Both{r, page}
}

func engineConfig(s engine.Settings, q Request) (engine.Config, error) {
	checksums := !q.NoChecksums && s.Bool("stream.checksum-validation", true)
	if v, ok := s["pcap-file.checksum-checks"]; ok && v != "auto" {
		checksums = checksums && engine.IsTrue(v)
	}
	f, err := engine.FlowConfig(s, q.IPS)
	if err != nil {
		return engine.Config{}, err
	}
	return engine.Config{
		Known: q.known(), Specs: Specs(s), Flow: f, Decoder: engine.DecoderOptions(s, checksums), Settings: s,
		Inspect: rule.InspectorConfig{
			PacketAlertMax: int(s.Size("packet-alert-max", 15)),
			RecursionLimit: int(s.Size("detect.inspection-recursion-limit", 3000)),
			IPS:            q.IPS,
		},
	}, nil
}

// Specs are the parsers that the settings leave on.
func Specs(s engine.Settings) []protocol.Spec {
	var on []protocol.Spec
	for _, spec := range all.Specs() {
		v, ok := s["app-layer.protocols."+spec.ID.String()+".enabled"]
		if ok && !engine.IsTrue(v) && v != "detection-only" {
			continue
		}
		on = append(on, spec)
	}
	return on
}

// readAtOnce is small enough to stay in the core's cache until it is inspected.
const readAtOnce = 1 << 17

// feed reads the capture to its end. A file that ends within a record is
// inspected as far as it goes, with a warning, which is also returned.
func feed(ctx context.Context, e *engine.Engine, q Request) (string, error) {
	wanted, err := newSieve(q.Filter)
	if err != nil {
		return "", err
	}
	f, err := os.Open(q.Capture)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var size int64
	if st, err := f.Stat(); err == nil {
		size = st.Size()
	}
	r, err := capture.NewReader(bufio.NewReaderSize(f, readAtOnce))
	if err != nil {
		return "", fmt.Errorf("%s: %w", q.Capture, err)
	}
	n := uint64(0) // of the frames that the filter took
	for read := 1; ; read++ {
		frame, err := r.Next()
		var broken *capture.Error
		switch {
		case errors.Is(err, io.EOF):
			e.Close()
			return "", nil
		case errors.As(err, &broken):
			if q.Report == nil {
				q.Warn("%s: %v", q.Capture, err)
			}
			e.Close()
			return broken.Problem, nil
		case err != nil:
			return "", fmt.Errorf("%s: %w", q.Capture, err)
		}
		if read&0xfff == 0 {
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if q.Progress != nil {
				q.Progress(r.Offset(), size)
			}
		}
		if wanted.takes(frame) {
			n++
			e.Frame(frame.Link, frame.Data, frame.Time, n)
		}
	}
}

// sieve leaves out the frames that the request's filter does not take.
type sieve struct {
	filter  *filter.Filter // nil: all are taken
	decoder *packet.Decoder
	p       packet.Packet
}

func newSieve(text string) (*sieve, error) {
	if text == "" {
		return &sieve{}, nil
	}
	f, err := filter.Parse(text)
	return &sieve{filter: f, decoder: packet.NewDecoder(packet.DefaultOptions())}, err
}

func (s *sieve) takes(f capture.Frame) bool {
	if s.filter == nil {
		return true
	}
	s.decoder.Decode(&s.p, f.Link, f.Data, f.Time, 0)
	return s.filter.Match(&s.p)
}

// records is the open eve.json.
type records struct {
	f *os.File
	w *bufio.Writer
}

func openRecords(folder string) (*records, error) {
	if folder == "" {
		return &records{}, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(folder, "eve.json"))
	if err != nil {
		return nil, err
	}
	return &records{f, bufio.NewWriterSize(f, 1<<18)}, nil
}

func (r *records) close() error {
	if r.f == nil {
		return nil
	}
	err := errors.Join(r.w.Flush(), r.f.Close())
	r.f = nil
	return err
}

func saveDatasets(e *engine.Engine, s engine.Settings, warn func(string, ...any)) {
	e.Inspector().Datasets(func(file string, text []byte) {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			warn("data set: %v", err)
		}
	})
}
