package flow

import "testing"

func TestICMPAnswer(t *testing.T) {
	for _, c := range []struct {
		proto, kind, want uint8
		ok                bool
	}{{1, 8, 0, true}, {1, 13, 14, true}, {1, 3, 0, false}, {58, 128, 129, true}, {58, 135, 136, true}, {58, 1, 0, false}} {
		if got, ok := ICMPAnswer(c.proto, c.kind); ok != c.ok || ok && got != c.want {
			t.Errorf("protocol %d, type %d: %d %v, want %d %v", c.proto, c.kind, got, ok, c.want, c.ok)
		}
	}
}
