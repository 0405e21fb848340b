package prefilter

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// corpus is the folder of outside test data; tests skip without it.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("MASUGATA_CORPUS")
	if dir == "" {
		dir = "../../../../../shared/corpus"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus: set MASUGATA_CORPUS to its folder")
	}
	return dir
}

var option = regexp.MustCompile(`\s*([a-z0-9_.]+)\s*(?::\s*(!?)("(?:[^"\\]|\\.)*"|[^;]*))?;`)

// rulePatterns reads the prefilter patterns of the rules of the corpus by
// buffer, the way the rule compiler would choose them, roughly.
func rulePatterns(t testing.TB) map[string][]Pattern {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus(t), "rules/et-open/*.rules"))
	if err != nil || len(files) == 0 {
		t.Skip("no rules in the corpus")
	}
	sets := map[string][]Pattern{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if buffer, p, ok := bestContent(lines.Text()); ok {
				sets[buffer] = append(sets[buffer], p)
			}
		}
		f.Close()
	}
	for b := range sets {
		sets[b] = distinct(sets[b])
	}
	return sets
}

func distinct(set []Pattern) []Pattern {
	seen := map[string]bool{}
	out := slices.DeleteFunc(set, func(p Pattern) bool {
		k := string(p.Bytes)
		old := seen[k]
		seen[k] = true
		return old
	})
	for i := range out {
		out[i].ID = uint32(i)
	}
	return out
}

func bestContent(rule string) (buffer string, best Pattern, ok bool) {
	if !strings.HasPrefix(rule, "alert") || !strings.Contains(rule, "(") {
		return "", best, false
	}
	sticky, last, asked := "payload", -1, false
	var all []Pattern
	var where []string
	pick := -1
	for _, m := range option.FindAllStringSubmatch(rule[strings.Index(rule, "(")+1:], -1) {
		key, neg, val := m[1], m[2], strings.Trim(m[3], `"`)
		switch {
		case key == "content":
			last = -1
			if b := contentBytes(val); neg == "" && len(b) > 0 && len(b) <= MaxPattern {
				last = len(all)
				all, where = append(all, Pattern{Bytes: b}), append(where, sticky)
			}
		case key == "fast_pattern" && last >= 0:
			pick, asked = last, true
		case key == "depth" && last >= 0:
			all[last].Depth, _ = strconv.Atoi(val)
		case key == "startswith" && last >= 0:
			all[last].Depth = len(all[last].Bytes)
		case key == "offset" && last >= 0:
			all[last].Offset, _ = strconv.Atoi(val)
		case key == "nocase" && last >= 0:
			all[last].NoCase = true
		case strings.HasPrefix(key, "http_") && last >= 0 && m[3] == "":
			where[last] = strings.Replace(key, "_", ".", 1)
		case strings.Contains(key, ".") && m[3] == "" || key == "file_data" || key == "dns_query":
			sticky = strings.NewReplacer("file_data", "file.data", "dns_query", "dns.query").Replace(key)
		}
		if !asked && last >= 0 && (pick < 0 || len(all[last].Bytes) > len(all[pick].Bytes)) {
			pick = last
		}
	}
	if pick < 0 {
		return "", best, false
	}
	if all[pick].Depth > 0 {
		all[pick].Depth += all[pick].Offset
	}
	return where[pick], all[pick], true
}

func contentBytes(s string) []byte {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '|':
			j := strings.IndexByte(s[i+1:], '|')
			if j < 0 {
				return nil
			}
			b, err := hex.DecodeString(strings.ReplaceAll(s[i+1:i+1+j], " ", ""))
			if err != nil {
				return nil
			}
			out = append(out, b...)
			i += j + 1
		case '\\':
			i++
			if i < len(s) {
				out = append(out, s[i])
			}
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// traffic reads the payloads of a capture of web pages in clear and encrypted.
func traffic(t testing.TB, names ...string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(corpus(t), "pcap/ndpi", name))
		if err != nil {
			t.Skip(err)
		}
		r, err := pcapgo.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for {
			data, _, err := r.ReadPacketData()
			if err != nil {
				break
			}
			p := gopacket.NewPacket(data, r.LinkType(), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
			if l, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && len(l.Payload) > 0 {
				out = append(out, l.Payload)
			}
		}
	}
	return out
}

func TestRulesOfCorpusAgainstNaive(t *testing.T) {
	sets := rulePatterns(t)
	data := traffic(t, "1kxun.pcap", "bot.pcap")
	var s Scratch
	for name, set := range sets {
		p, err := Build(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := newNaive(set)
		for i := 0; i < len(data); i += 1 + len(data)*len(set)/4_000 {
			compare(t, p, want, data[i], &s)
		}
		_ = name
	}
}

func BenchmarkScan(b *testing.B) {
	sets := rulePatterns(b)
	var web []byte
	for _, p := range traffic(b, "1kxun.pcap", "bot.pcap", "tumblr.pcap") {
		web = append(web, p...)
	}
	for _, name := range []string{"payload", "file.data", "http.uri", "http.header", "http.user_agent", "dns.query", "tls.sni"} {
		for _, kind := range []struct {
			name  string
			build func([]Pattern, *Frequencies) (Searcher, error)
		}{{"best", Build}, {"pure", BuildPure}} {
			p, err := kind.build(sets[name], nil)
			if err != nil {
				b.Fatal(err)
			}
			for _, size := range []int{60, 1400, 16 << 10} {
				b.Run(name+"/"+kind.name+"/"+sizeName(size), func(b *testing.B) {
					var s Scratch
					b.SetBytes(int64(size))
					b.ReportMetric(float64(len(sets[name])), "patterns")
					b.ReportMetric(float64(p.Size()>>10), "KiB")
					at, hits := 0, 0
					for b.Loop() {
						if at += size; at+size > len(web) {
							at = 0
						}
						s.Hits = s.Hits[:0]
						p.Scan(web[at:at+size], &s)
						hits += len(s.Hits)
					}
					b.ReportMetric(float64(hits)/float64(b.N), "hits/op")
				})
			}
		}
	}
}

func sizeName(n int) string {
	return map[int]string{60: "60B", 1400: "1400B", 16 << 10: "16K"}[n]
}

func BenchmarkBuild(b *testing.B) {
	sets := rulePatterns(b)
	n := 0
	for _, set := range sets {
		n += len(set)
	}
	b.ReportMetric(float64(n), "patterns")
	for b.Loop() {
		for _, set := range sets {
			if _, err := Build(set, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
}
