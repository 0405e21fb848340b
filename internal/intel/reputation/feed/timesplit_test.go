package feed_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/masugata/masugata/internal/intel/reputation"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/intel/reputation/feed"
	"github.com/masugata/masugata/internal/intel/reputation/ledger"
)

// dated is a claim with the time of the report that it was taken from.
type dated struct {
	claim reputation.Claim
	at    uint32
}

// A report's number on the network that most of Maltrail's references lead to holds its
// time: milliseconds since November 2010 from bit 22 on.
var report = regexp.MustCompile(`(?:twitter|x)\.com/\w+/status/(\d+)`)

const reportsBegan = 1_288_834_974_657

// datedClaims reads Maltrail's trails whose block of references has a report with a time.
func datedClaims(t *testing.T) (out []dated) {
	for _, file := range files(t, corpus(t))["maltrail"] {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		var at uint32
		var block []byte
		flush := func() {
			if at > 0 {
				out = appendBlock(t, out, name, block, at)
			}
			at, block = 0, nil
		}
		for line := range bytes.Lines(text) {
			if !bytes.HasPrefix(line, []byte("#")) {
				block = append(block, line...)
				continue
			}
			if len(bytes.TrimSpace(block)) > 0 {
				flush()
			}
			for _, m := range report.FindAllSubmatch(line, -1) {
				if n, err := strconv.ParseUint(string(m[1]), 10, 64); err == nil && n > 1<<40 {
					at = max(at, uint32((n>>22+reportsBegan)/1000))
				}
			}
		}
		flush()
	}
	return out
}

func appendBlock(t *testing.T, out []dated, name string, block []byte, at uint32) []dated {
	r, err := feed.Open("maltrail", bytes.NewReader(block), feed.Options{Name: name, Now: at})
	if err != nil {
		t.Fatal(err)
	}
	for {
		var c reputation.Claim
		switch err := r.Next(&c).(type) {
		case nil:
			c.First, c.Last = at, at
			out = append(out, dated{c, at})
		case *feed.Refusal:
		default:
			if err != io.EOF {
				t.Fatal(err)
			}
			return out
		}
	}
}

// split counts what the earlier part knew of the later.
type split struct {
	later, known, blocked, listed, near, others int
}

// TestTimeSplit measures how much of what was reported in the last fifth of the dated
// trails the earlier four fifths would have told: listed already, blocked or listed
// by what covers it, near to what was listed (the same /24, the same registered
// name), or on a list of other owners, which has no dates and may have come later.
func TestTimeSplit(t *testing.T) {
	all := datedClaims(t)
	slices.SortStableFunc(all, func(a, b dated) int { return int(int64(a.at) - int64(b.at)) })
	cut := len(all) * 4 / 5
	then := all[cut].at
	l := ledger.New(ledger.Config{})
	m, err := l.Import(l.Source(reputation.Source{Name: "maltrail", Trust: feed.Trust("maltrail")}), then)
	if err != nil {
		t.Fatal(err)
	}
	var old *ledger.Refusal
	ended := 0
	before, near := map[reputation.Object]bool{}, map[string]bool{}
	for _, d := range all[:cut] {
		if err := m.Add(&d.claim); errors.As(err, &old) {
			ended++ // its time was over when the later part began
		} else if err != nil {
			t.Fatal(err)
		}
		before[d.claim.Object] = true
		near[nearOf(d.claim.Object)] = true
	}
	m.Commit()
	others := map[reputation.Object]bool{}
	for _, f := range files(t, corpus(t))["ipsum"] {
		eachClaim(t, f, "ipsum", func(c *reputation.Claim) { others[c.Object] = true })
	}
	counts := map[reputation.Type]*split{}
	seen := map[reputation.Object]bool{}
	for _, d := range all[cut:] {
		o := d.claim.Object
		if seen[o] {
			continue
		}
		seen[o] = true
		n := counts[o.Type]
		if n == nil {
			n = &split{}
			counts[o.Type] = n
		}
		n.later++
		score := l.Brief(o, then).Score
		switch {
		case before[o]:
			n.known++
		case score >= reputation.DefaultBlock:
			n.blocked++
		case score > 0:
			n.listed++
		case near[nearOf(o)] && nearOf(o) != "":
			n.near++
		case others[hostOf(o)]:
			n.others++
		}
	}
	t.Logf("%d dated entries, the last fifth from %d on (seconds since 1970); %d of the earlier ones were too old to be listed then", len(all), then, ended)
	for typ := range reputation.NumTypes {
		if n := counts[typ]; n != nil {
			t.Logf("%-9s %6d later: listed before %4.1f %%, blocked by what covers it %4.1f %%, listed by it %4.1f %%, near %4.1f %%, by others %4.1f %%",
				typ, n.later, share(n.known, n), share(n.blocked, n), share(n.listed, n), share(n.near, n), share(n.others, n))
		}
	}
	if len(all) < 10_000 {
		t.Errorf("only %d dated entries", len(all))
	}
}

func share(n int, of *split) float64 { return 100 * float64(n) / float64(of.later) }

// hostOf is the address or name of an endpoint, or the object itself.
func hostOf(o reputation.Object) reputation.Object {
	if host, _, ok := canon.Host(o); ok {
		return host
	}
	return o
}

// nearOf names the neighbourhood of an object: the /24 of an address, the registered name
// of a name or URL.
func nearOf(o reputation.Object) string {
	switch o = hostOf(o); o.Type {
	case reputation.TypePrefix:
		if p := o.Prefix; p.Addr().Is4() && p.Bits() >= 24 {
			return netip.PrefixFrom(p.Addr(), 24).Masked().String()
		}
	case reputation.TypeDomain, reputation.TypeURL:
		host, _, _ := strings.Cut(o.Text, "/")
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			return netip.PrefixFrom(a, 24).Masked().String()
		}
		name, _ := canon.Registrable(host)
		return name
	}
	return ""
}

// eachClaim gives the claims of a file.
func eachClaim(t *testing.T, file, format string, yield func(*reputation.Claim)) {
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := feed.Open(format, in, feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		var c reputation.Claim
		switch err := r.Next(&c).(type) {
		case nil:
			yield(&c)
		case *feed.Refusal:
		default:
			if err != io.EOF {
				t.Fatal(err)
			}
			return
		}
	}
}
