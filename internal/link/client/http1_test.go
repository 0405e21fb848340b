package client

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func read(s string, limit int64) (*answer, bool, error) {
	return readAnswer(bufio.NewReaderSize(strings.NewReader(s), maxLine), limit)
}

func TestReadAnswer(t *testing.T) {
	for name, x := range map[string]struct {
		in, body string
		keep, ok bool
	}{
		"length":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true, true},
		"continue":     {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true, true},
		"chunked":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nA: b\r\n\r\n", "ok", true, true},
		"close":        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false, true},
		"short":        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "", false, false},
		"too long":     {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "", false, false},
		"chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n63\r\n", "", false, false},
		"huge chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "", false, false},
		"no length":    {"HTTP/1.1 200 OK\r\n\r\nok", "", false, false},
		"negative":     {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", false, false},
		"not http":     {"SSH-2.0-OpenSSH\r\n", "", false, false},
		"long line":    {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 5000) + "\r\n\r\n", "", false, false},
		"many headers": {"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", "", false, false},
	} {
		a, keep, err := read(x.in, 16)
		if (err == nil) != x.ok || x.ok && (string(a.body) != x.body || keep != x.keep) {
			t.Errorf("%s: %+v keep %v err %v", name, a, keep, err)
		}
	}
}

// FuzzReadAnswer: what is read is what net/http reads of the same bytes.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, _, err := read(string(b), 1<<16)
		if err != nil {
			return
		}
		if len(a.body) > 1<<16 {
			t.Error("the bound on the body does not hold")
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: http.MethodPost})
		if err != nil || theirs.StatusCode != a.status || a.status != 200 {
			return // stricter than we are, or an interim answer first
		}
		if body, err := io.ReadAll(theirs.Body); err == nil && string(body) != string(a.body) {
			t.Errorf("body %q, net/http reads %q", a.body, body)
		}
	})
}

func TestReadError(t *testing.T) {
	code, message := readError([]byte(`{"code" : "permission_denied","message":"a \"b\" \u00e9\n\\","details":[]}`))
	if code != "permission_denied" || message != "a \"b\" é \\" {
		t.Errorf("%q %q", code, message)
	}
	for _, bad := range []string{"", "{", `{"code":`, `{"code":"x`, `{"code":"\`, `{"code":"\u12`, `{"code":1}`} {
		if code, _ := readError([]byte(bad)); code == "permission_denied" {
			t.Errorf("%q", bad)
		}
	}
}

func FuzzReadError(f *testing.F) {
	f.Add([]byte(`{"code":"x","message":"\u00e9"}`))
	f.Fuzz(func(_ *testing.T, b []byte) { readError(b) })
}

// TestHalfReadAnswerEndsConnection: what is left of a refused answer must not
// be read as the answer to the next request.
func TestHalfReadAnswerEndsConnection(t *testing.T) {
	for name, x := range map[string]struct {
		answer string
		kept   int
	}{
		"whole":    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 1},
		"too long": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nHTTP/1.1 200 OK", 0},
	} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.ReadFull(theirs, make([]byte, 4))
			_, _ = io.WriteString(theirs, x.answer)
		}()
		d := &dialer{}
		_, _, err := d.exchange(t.Context(), &connection{ours, bufio.NewReaderSize(ours, maxLine)}, []byte("POST"), 16)
		if (err == nil) != (x.kept == 1) || len(d.idle) != x.kept {
			t.Errorf("%s: error %v, %d connections kept, want %d", name, err, len(d.idle), x.kept)
		}
		_ = theirs.Close()
	}
}
