package feed

import "testing"

func TestWhen(t *testing.T) {
	for text, want := range map[string]uint32{
		"2023-11-14 22:13:20": 1_700_000_000, "2023-11-14 22:13:20 UTC": 1_700_000_000, "2023-11-14T22:13:20Z": 1_700_000_000,
		"2023-11-14T22:13:20.123456Z": 1_700_000_000, "2023-11-15T00:13:20+02:00": 1_700_000_000, "2023-11-15": 1_700_006_400,
		"1700000000": 1_700_000_000, "1700000000123": 1_700_000_000, "99999999999999999999": 0, "": 0, "never": 0, "0000-00-00 00:00:00": 0,
		"1969-01-01": 0, "9999-12-31": 0, "2023-1x-15": 0,
	} {
		if got := when([]byte(text)); got != want {
			t.Errorf("%q: %d, not %d", text, got, want)
		}
	}
}

func TestLasting(t *testing.T) {
	for text, want := range map[string]uint32{"1d2h3m4s500ms": 93784, "3600": 3600, "167h59m50.25s": 604790, "99999999w": 1<<31 - 1} {
		if got, ok := lasting(text); got != want || !ok {
			t.Errorf("%q: %d %v, not %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "h", "1x", "soon", "-5s"} {
		if _, ok := lasting(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}
