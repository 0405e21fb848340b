package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/masugata/masugata/internal/intel/reputation/feed/jsonscan"
)

// tree reads one value as encoding/json gives it, with numbers as written.
func tree(s *jsonscan.Scanner) (any, error) {
	ch, err := s.Peek()
	if err != nil {
		return nil, err
	}
	switch ch {
	case '"':
		b, err := s.Text()
		return string(b), err
	case '{':
		out := map[string]any{}
		if err := s.Object(); err != nil {
			return nil, err
		}
		for {
			key, ok, err := s.Key()
			if !ok {
				return out, err
			}
			name := string(key)
			if out[name], err = tree(s); err != nil {
				return nil, err
			}
		}
	case '[':
		out := []any{}
		if err := s.Array(); err != nil {
			return nil, err
		}
		for {
			ok, err := s.Item()
			if !ok {
				return out, err
			}
			v, err := tree(s)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	b, err := s.Scalar()
	switch string(b) {
	case "true":
		return true, err
	case "false":
		return false, err
	case "null":
		return nil, err
	}
	return json.Number(b), err
}

func document(s *jsonscan.Scanner) (any, error) {
	v, err := tree(s)
	if err == nil {
		err = s.End()
	}
	return v, err
}

func seeds() []string {
	return []string{"", " ", "null", "true", "fals", "0", "-0", "01", "1.", "1.5e+3", "1e", "-", "+1", `""`, `"a`, "\"a\n\"", `"\u00e9\n\/"`, `"\ud83d\ude00"`,
		`"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, `"\ude00"`, `"\x"`, `"\u12g4"`, "\"\xff\xfe\"", "\"h\xc3\xa9llo, 世界\"", "[]", "[1,]", "[,1]", "[1 2]", "{}",
		`{"a":1,"a":2}`, `{"a":1,}`, `{"a" : [1, {"b":null}] , "c":"d"}`, `{a:1}`, `{"a"}`, `{"a":}`, "[1}", `{"a":1]`, "1 2", "[1]x", "]", "}", ",", `"a" "b"`,
		`{"long member name of many letters":"and a text that is longer than eight bytes \\ \" x"}`, strings.Repeat("[", 50) + strings.Repeat("]", 50), "\ufeff1", "nul\x00l", "1\x00", "\x0b1"}
}

// same holds a text to encoding/json, from a stream of single bytes and from memory.
func same(t *testing.T, text []byte) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var want any
	errWant := d.Decode(&want)
	if errWant == nil {
		if _, err := d.Token(); err != io.EOF {
			errWant = errors.New("more")
		}
	}
	var memory jsonscan.Scanner
	memory.Reset(text)
	for name, s := range map[string]*jsonscan.Scanner{"memory": &memory, "bytes": jsonscan.New(iotest.OneByteReader(bytes.NewReader(text)), 1<<20), "stream": jsonscan.New(bytes.NewReader(text), 1<<20)} {
		got, err := document(s)
		if err != nil && strings.Contains(err.Error(), "deep") {
			return
		}
		if (err == nil) != (errWant == nil) {
			t.Fatalf("%s %q: %v, encoding/json: %v", name, text, err, errWant)
		}
		if err == nil {
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("%s %q: %v, encoding/json: %v", name, text, got, want)
			}
		}
	}
	memory.Reset(text)
	err := memory.Skip()
	if err == nil {
		err = memory.End()
	}
	if (err == nil) != (errWant == nil) && (err == nil || !strings.Contains(err.Error(), "deep")) {
		t.Fatalf("skip %q: %v, encoding/json: %v", text, err, errWant)
	}
}

func TestSame(t *testing.T) {
	for _, text := range seeds() {
		same(t, []byte(text))
	}
}

// FuzzSame holds any text to encoding/json.
func FuzzSame(f *testing.F) {
	for _, text := range seeds() {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 && !json.Valid(text) && len(text) > 1<<16 {
			return
		}
		same(t, text)
	})
}

func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		`["` + strings.Repeat("a", 3<<20) + `"]`: "more than 1 MB",
		strings.Repeat("[", 101):                 "more than 100 deep",
		`[1`:                                     "unexpected EOF",
		`{"a":tru}`:                              "not JSON: a value is missing at byte 5",
	} {
		s := jsonscan.New(strings.NewReader(text), 1<<20)
		if _, err := document(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	s := jsonscan.New(iotest.ErrReader(errors.New("line is cut")), 1<<20)
	if err := s.Object(); err == nil || err.Error() != "line is cut" {
		t.Error(err)
	}
	s = jsonscan.New(strings.NewReader("["+strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("a", 1000)+`",`, 5000), ",")+"]"), 1<<20)
	if err := s.Array(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		s.Piece()
		ok, err := s.Item()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if b, err := s.Text(); err != nil || len(b) != 1000 {
			t.Fatal(len(b), err)
		}
		n++
	}
	if n != 5000 {
		t.Error(n)
	}
}

func TestNoAllocations(t *testing.T) {
	text := []byte(`{"type":"indicator","labels":["a","b",{"c":1.5}],"pattern":"[ipv4-addr:value = '192.0.2.1']","x":null}`)
	var s jsonscan.Scanner
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(text)
		if err := s.Object(); err != nil {
			t.Fatal(err)
		}
		for {
			name, ok, err := s.Key()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if string(name) == "pattern" {
				_, err = s.Text()
			} else {
				err = s.Skip()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
