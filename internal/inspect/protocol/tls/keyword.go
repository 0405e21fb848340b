package tls

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

func keywords() []protocol.Keyword {
	on := []protocol.ID{protocol.TLS}
	ks := []protocol.Keyword{
		{Name: "tls.version", Stage: protocol.StageLine, Compile: compileVersion, Doc: "version that was agreed on or is offered: 1.0, 1.1, 1.2, 1.3, or a number such as 0x7f12"},
		{Name: "ssl_version", Compile: compileVersions, Doc: "list of versions of the sender: sslv2, sslv3, tls1.0, tls1.1, tls1.2, tls1.3; ! before one for none of them"},
		{Name: "ssl_state", Compile: compileState, Doc: "the latest message of the handshake: client_hello, server_hello, client_keyx, server_keyx, unknown; several divided by |"},
		{Name: "tls.subject", Stage: protocol.StageHeaders, Compile: compileText(protocol.TLSCertSubject), Doc: "text within the certificate's subject; ! for not within"},
		{Name: "tls.issuerdn", Stage: protocol.StageHeaders, Compile: compileText(protocol.TLSCertIssuer), Doc: "text within the certificate's issuer; ! for not within"},
		{Name: "tls.fingerprint", Stage: protocol.StageHeaders, Compile: compileFingerprint, Doc: "SHA-1 of the certificate with colons; ! for another"},
		{Name: "tls.store", Aliases: []string{"tls_store"}, Stage: protocol.StageHeaders, Optional: true, Compile: compileStore, Doc: "there is a certificate (certificates are not written to files)"},
		{Name: "tls_cert_notbefore", Stage: protocol.StageHeaders, Compile: compileDate(false), Doc: "first time of validity: DATE, <DATE, >DATE, DATE<>DATE with DATE as 2016-09, 2016-09-01, with a time, or in seconds since 1970"},
		{Name: "tls_cert_notafter", Stage: protocol.StageHeaders, Compile: compileDate(true), Doc: "last time of validity, as tls_cert_notbefore"},
		{Name: "tls_cert_expired", Stage: protocol.StageHeaders, Optional: true, Compile: compileExpired, Doc: "the certificate has expired at the packet's time"},
		{Name: "tls_cert_valid", Stage: protocol.StageHeaders, Optional: true, Compile: compileValid, Doc: "the packet's time is within the certificate's validity"},
	}
	for i := range ks {
		ks[i].On, ks[i].Dirs = on, protocol.BothWays
	}
	return ks
}

// unquote takes the "!" and the quotes off an argument.
func unquote(arg string) (text string, not bool) {
	text = strings.TrimSpace(arg)
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		text, not = strings.TrimSpace(rest), true
	}
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	return text, not
}

func compileText(f protocol.Field) func(string) (protocol.Test, error) {
	return func(arg string) (protocol.Test, error) {
		text, not := unquote(arg)
		if text == "" {
			return nil, fmt.Errorf("a text is missing")
		}
		want := []byte(text)
		return func(tx protocol.Tx, d packet.Direction) bool {
			v, ok := tx.Bytes(f, d, 0)
			return ok && bytes.Contains(v, want) != not
		}, nil
	}
}

// compileFingerprint takes the digits in either case.
func compileFingerprint(arg string) (protocol.Test, error) {
	return compileText(protocol.TLSCertFingerprint)(strings.ToLower(arg))
}

var versionNames = map[string]uint16{
	"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304,
	"sslv2": 0x0002, "sslv3": 0x0300, "tls1.0": 0x0301, "tls1.1": 0x0302, "tls1.2": 0x0303, "tls1.3": 0x0304,
}

func compileVersion(arg string) (protocol.Test, error) {
	text, not := unquote(arg)
	version, ok := versionNames[strings.ToLower(text)]
	if !ok || len(text) != 3 {
		n, err := strconv.ParseUint(text, 0, 16)
		if err != nil || !strings.HasPrefix(text, "0x") {
			return nil, fmt.Errorf("%q is no version; write 1.0, 1.1, 1.2, 1.3 or a number such as 0x7f12", text)
		}
		version = uint16(n)
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.version(d) != 0 && (t.version(d) == version) != not
	}, nil
}

// version is what d's side speaks: of the client the version it prefers, of the
// server the one agreed on.
func (t *Tx) version(d packet.Direction) uint16 { return t.ends[d].version }

func compileVersions(arg string) (protocol.Test, error) {
	var list [8]uint16
	n, not := 0, false
	for part := range strings.SplitSeq(arg, ",") {
		name, neg := unquote(part)
		v, ok := versionNames[strings.ToLower(name)]
		if !ok || n == len(list) || len(name) < 5 {
			return nil, fmt.Errorf("%q is no version; write sslv2, sslv3, tls1.0, tls1.1, tls1.2 or tls1.3", name)
		}
		list[n], not = v, not || neg
		n++
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		if !ok || t.version(d) == 0 || t.stage[d] < protocol.StageLine {
			return false
		}
		hit := false
		for _, v := range list[:n] {
			hit = hit || v == t.version(d) || v == 0x0304 && t.version(d)>>8 == 0x7f
		}
		return hit != not
	}, nil
}

var stateNames = map[string]stateFlags{
	"client_hello": sawClientHello, "server_hello": sawServerHello, "client_keyx": sawClientKeys, "server_keyx": sawServerKeys, "unknown": sawUnknown,
}

func compileState(arg string) (protocol.Test, error) {
	var want stateFlags
	not := false
	for part := range strings.FieldsFuncSeq(arg, func(r rune) bool { return r == '|' || r == ',' }) {
		name, neg := unquote(part)
		f, ok := stateNames[strings.ToLower(name)]
		if !ok {
			return nil, fmt.Errorf("%q is no state; write client_hello, server_hello, client_keyx, server_keyx or unknown", name)
		}
		want |= f
		not = not || neg
	}
	if want == 0 {
		return nil, fmt.Errorf("a state is missing")
	}
	return func(tx protocol.Tx, _ packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && (t.latest&want != 0) != not
	}, nil
}

func compileStore(arg string) (protocol.Test, error) {
	if arg != "" {
		return nil, fmt.Errorf("it takes no argument")
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.ends[d].chained > 0
	}, nil
}

func compileExpired(arg string) (protocol.Test, error) {
	if arg != "" {
		return nil, fmt.Errorf("it takes no argument")
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.ends[d].cert.known && t.ends[d].cert.after < t.now/1e9
	}, nil
}

func compileValid(arg string) (protocol.Test, error) {
	if arg != "" {
		return nil, fmt.Errorf("it takes no argument")
	}
	return func(tx protocol.Tx, d packet.Direction) bool {
		t, ok := tx.(*Tx)
		return ok && t.ends[d].cert.known && t.ends[d].cert.before < t.now/1e9 && t.now/1e9 < t.ends[d].cert.after
	}, nil
}

func compileDate(after bool) func(string) (protocol.Test, error) {
	return func(arg string) (protocol.Test, error) {
		text, _ := unquote(arg)
		from, to, err := parseDates(text)
		if err != nil {
			return nil, err
		}
		return func(tx protocol.Tx, d packet.Direction) bool {
			t, ok := tx.(*Tx)
			if !ok || !t.ends[d].cert.known {
				return false
			}
			v := t.ends[d].cert.before
			if after {
				v = t.ends[d].cert.after
			}
			return v >= from && v <= to
		}, nil
	}
}

// parseDates gives the first and last second that pass.
func parseDates(text string) (from, to int64, err error) {
	const least, most = -1 << 62, 1 << 62
	if a, b, ok := strings.Cut(text, "<>"); ok {
		if from, err = parseDate(a); err == nil {
			to, err = parseDate(b)
		}
		return from + 1, to - 1, err
	}
	if rest, ok := strings.CutPrefix(text, "<"); ok {
		to, err = parseDate(rest)
		return least, to - 1, err
	}
	if rest, ok := strings.CutPrefix(text, ">"); ok {
		from, err = parseDate(rest)
		return from + 1, most, err
	}
	from, err = parseDate(text)
	return from, from, err
}

// parseDate reads 2016-09, 2016-09-01, 2016-09-01 10:20, or with T and seconds; a
// bare number is seconds since 1970.
func parseDate(s string) (int64, error) {
	s = strings.TrimSpace(s)
	bad := fmt.Errorf("%q is no date; write 2016-09, 2016-09-01, 2016-09-01T10:20:30 or seconds since 1970", s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return n, nil // as Suricata does, which takes ">2015" for 2015 seconds
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == ' ' || r == 'T' || r == ':' })
	if len(parts) < 2 || len(parts) > 6 || len(parts[0]) != 4 {
		return 0, bad
	}
	v := [6]int{0, 1, 1}
	limits := [6][2]int{{1, 9999}, {1, 12}, {1, 31}, {0, 23}, {0, 59}, {0, 60}}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < limits[i][0] || n > limits[i][1] {
			return 0, bad
		}
		v[i] = n
	}
	return daysSince1970(v[0], v[1], v[2])*86400 + int64(v[3]*3600+v[4]*60+v[5]), nil
}
