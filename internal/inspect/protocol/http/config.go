package http

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/protocol"
)

// config is what the settings below libhtp.default-config say; names there
// are Suricata's.
type config struct {
	bodyLimit   [2]uint64 // bytes of a body that are inspected, by direction; 0 is all
	bodyInspect [2]uint64 // bytes of a body that must be there before it is inspected, unless it ends
	bodyWindow  [2]int    // inspected bytes of a body kept before new ones

	layers       int // content encodings undone
	lzma         bool
	lzmaMemory   int
	brotli       bool
	bombLimit    uint64 // decoded bytes, from which on the ratio counts
	fieldLimit   int    // bytes of a line or of one header field
	headersLimit int
	maxTx        int
	uri          uriConfig
}

// uriConfig says how request targets are normalised.
type uriConfig struct {
	doubleDecodePath, doubleDecodeQuery bool
	plusSpace                           bool
	includeAll                          bool
	backslash                           bool // a backslash in the path is a slash
	lowercase                           bool
	compress                            bool // several slashes are one
	decodeSeparators                    bool
	uEncoding                           bool // %uHHHH
	nulEncodedEnds, nulRawEnds          bool
	bestFit                             bool // UTF-8 to single bytes
	allowSpace                          bool
	invalid                             byte // what becomes of a broken %: invalidKeep …
}

// What becomes of a percent sign without two hexadecimal digits.
const (
	invalidKeep byte = iota
	invalidDrop
	invalidProcess
)

// defaults are those of Suricata's stock configuration with the IDS personality.
func defaults() config {
	return config{
		bodyLimit:   [2]uint64{100 << 10, 100 << 10},
		bodyInspect: [2]uint64{32 << 10, 40 << 10},
		bodyWindow:  [2]int{16 << 10, 16 << 10},
		layers:      2, lzmaMemory: 1 << 20, brotli: true, bombLimit: 1 << 20,
		fieldLimit: 18000, headersLimit: 1024, maxTx: 512,
		uri: uriConfig{backslash: true, compress: true, decodeSeparators: true, uEncoding: true, bestFit: true},
	}
}

// readConfig takes what the settings change.
func readConfig(s protocol.Settings) (*config, error) {
	c := defaults()
	if s == nil {
		return &c, nil
	}
	r := reader{s: s, prefix: "libhtp.default-config."}
	r.personality(&c.uri)
	r.bodies(&c)
	r.uri(&c.uri)
	r.count("response-body-decompress-layer-limit", &c.layers)
	r.truth("lzma-enabled", &c.lzma)
	r.truth("brotli-enabled", &c.brotli)
	r.size("lzma-memlimit", &c.lzmaMemory)
	var bomb int
	if r.size("compression-bomb-limit", &bomb) {
		c.bombLimit = uint64(bomb)
	}
	r.count("headers-limit", &c.headersLimit)
	r.count("max-tx", &c.maxTx)
	r.size("meta-field-limit", &c.fieldLimit)
	if c.fieldLimit <= 0 {
		c.fieldLimit = 1 << 20
	}
	return &c, r.err
}

// reader looks settings up and keeps the first error.
type reader struct {
	s      protocol.Settings
	prefix string
	err    error
}

func (r *reader) lookup(name string) (string, bool) { return r.s.Lookup(r.prefix + name) }

func (r *reader) fail(name, value, want string) {
	if r.err == nil {
		r.err = fmt.Errorf("http: setting %s%s: %q is not %s", r.prefix, name, value, want)
	}
}

func (r *reader) truth(name string, to *bool) {
	v, ok := r.lookup(name)
	if !ok {
		return
	}
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1":
		*to = true
	case "no", "false", "off", "0":
		*to = false
	default:
		r.fail(name, v, "yes or no")
	}
}

func (r *reader) count(name string, to *int) {
	v, ok := r.lookup(name)
	if !ok {
		return
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		r.fail(name, v, "a number")
		return
	}
	*to = n
}

// size reads bytes with a unit ("100kb", "1 MiB").
func (r *reader) size(name string, to *int) bool {
	v, ok := r.lookup(name)
	if !ok {
		return false
	}
	n, err := parseSize(v)
	if err != nil {
		r.fail(name, v, "a size such as 100kb")
		return false
	}
	*to = n
	return true
}

func parseSize(v string) (int, error) {
	v = strings.ToLower(strings.TrimSpace(v))
	shift := 0
	for _, u := range [...]struct {
		suffix string
		shift  int
	}{{"kib", 10}, {"mib", 20}, {"gib", 30}, {"kb", 10}, {"mb", 20}, {"gb", 30}, {"b", 0}} {
		if cut, ok := strings.CutSuffix(v, u.suffix); ok {
			v, shift = strings.TrimSpace(cut), u.shift
			break
		}
	}
	n, err := strconv.ParseUint(v, 10, 40)
	if err != nil {
		return 0, err
	}
	return int(min(n<<shift, 1<<50)), nil
}

func (r *reader) bodies(c *config) {
	for d, side := range [...]string{"request", "response"} {
		var n int
		if r.size(side+"-body-limit", &n) {
			c.bodyLimit[d] = uint64(n)
		}
		if r.size(side+"-body-minimal-inspect-size", &n) {
			c.bodyInspect[d] = uint64(n)
		}
		if r.size(side+"-body-inspect-window", &n) {
			c.bodyWindow[d] = max(c.bodyWindow[d], n)
		}
	}
	var inline bool
	if v, _ := r.lookup("http-body-inline"); v != "auto" {
		r.truth("http-body-inline", &inline)
	}
	if inline {
		c.bodyInspect = [2]uint64{}
	}
}

func (r *reader) uri(u *uriConfig) {
	r.truth("double-decode-path", &u.doubleDecodePath)
	r.truth("double-decode-query", &u.doubleDecodeQuery)
	r.truth("query-plusspace-decode", &u.plusSpace)
	r.truth("uri-include-all", &u.includeAll)
	r.truth("path-convert-backslash-separators", &u.backslash)
	r.truth("path-convert-lowercase", &u.lowercase)
	r.truth("path-separators-compress", &u.compress)
	r.truth("path-separators-decode", &u.decodeSeparators)
	r.truth("path-u-encoding-decode", &u.uEncoding)
	r.truth("path-nul-encoded-terminates", &u.nulEncodedEnds)
	r.truth("path-nul-raw-terminates", &u.nulRawEnds)
	r.truth("path-utf8-convert-bestfit", &u.bestFit)
	r.truth("allow-space-uri", &u.allowSpace)
	v, ok := r.lookup("path-url-encoding-invalid-handling")
	if !ok {
		return
	}
	switch strings.ToLower(v) {
	case "preserve_percent":
		u.invalid = invalidKeep
	case "remove_percent":
		u.invalid = invalidDrop
	case "decode_invalid":
		u.invalid = invalidProcess
	default:
		r.fail("path-url-encoding-invalid-handling", v, "preserve_percent, remove_percent or decode_invalid")
	}
}

// personality sets what the named server does with paths.
func (r *reader) personality(u *uriConfig) {
	v, ok := r.lookup("personality")
	if !ok {
		return
	}
	switch strings.ToLower(v) {
	case "ids":
	case "minimal", "generic":
		*u = uriConfig{compress: strings.EqualFold(v, "generic"), backslash: strings.EqualFold(v, "generic")}
	case "apache", "apache_2", "apache_2_2", "tomcat_6_0":
		*u = uriConfig{compress: true}
	case "iis_4_0", "iis_5_0", "iis_5_1", "iis_6_0", "iis_7_0", "iis_7_5":
		*u = uriConfig{backslash: true, compress: true, decodeSeparators: true, bestFit: true,
			uEncoding: !strings.HasPrefix(strings.ToLower(v), "iis_7")}
	default:
		r.fail("personality", v, "a personality such as IDS")
	}
}
