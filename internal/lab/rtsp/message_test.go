package rtsp

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadBackWhatWasWritten(t *testing.T) {
	want := []*Message{
		{First: [3]string{"SETUP", "rtsp://h/live/video", "RTSP/1.0"}, Header: map[string]string{"Cseq": "2", "Transport": "RTP/AVP;unicast;client_port=5000-5001"}},
		{Interleaved: true, Channel: 1, Body: []byte("packet")},
		{First: [3]string{"RTSP/1.0", "200", "OK"}, Header: map[string]string{"Cseq": "2"}},
	}
	var b []byte
	for _, m := range want {
		b = m.Append(b)
	}
	r := bufio.NewReader(bytes.NewReader(b))
	for _, w := range want {
		got, err := Read(r)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got); d != "" {
			t.Error(d)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"one word":    "HELLO\r\n\r\n",
		"no colon":    "OPTIONS * RTSP/1.0\r\nCSeq 1\r\n\r\n",
		"long line":   "OPTIONS " + strings.Repeat("x", 5000) + " RTSP/1.0\r\n\r\n",
		"body length": "OPTIONS * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
		"cut body":    "OPTIONS * RTSP/1.0\r\nContent-Length: 5\r\n\r\nab",
	} {
		if m, err := Read(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%s: read %+v without an error", name, m)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			if _, err := Read(r); err != nil {
				return
			}
		}
	})
}
