package video

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab/tally"
)

func TestFramesCrossRTP(t *testing.T) {
	scene, s, r := NewScene(2), &Sender{SSRC: 7}, &Receiver{}
	for n := uint32(1000); n < 1040; n++ {
		frames := sendFrame(t, scene, s, r, n, -1)
		if len(frames) != 1 {
			t.Fatalf("frame %d gave %d frames", n, len(frames))
		}
		seen, err := Read(frames[0])
		if err != nil {
			t.Fatal(err)
		}
		if seen.Camera != 2 || seen.Number != n || seen.Age(time.Unix(int64(n)+3, 0)) != 3*time.Second {
			t.Fatalf("read %+v, want frame %d of camera 2", seen, n)
		}
	}
	if r.Lost != 0 {
		t.Errorf("%d packets taken as lost", r.Lost)
	}
}

func TestLostPacketLosesItsFrameOnly(t *testing.T) {
	scene, s, r := NewScene(1), &Sender{}, &Receiver{}
	counts := tally.New()
	c := &Checker{Name: "video", Camera: 1, Tally: counts}
	for n := range uint32(30) {
		drop := -1
		if n == 9 || n == 20 {
			drop = int(n % 3)
		}
		for _, frame := range sendFrame(t, scene, s, r, n, drop) {
			seen, err := Read(frame)
			if err != nil {
				t.Fatal(err)
			}
			c.Frame(frame, time.Unix(int64(seen.Number), 0))
		}
	}
	if got, want := counts.Read()["video"], uint64(2); got.Lost != want || got.Total != 30 || r.Lost != want {
		t.Errorf("counted %+v with %d packets lost, want 30 frames of which 2 lost", got, r.Lost)
	}
}

func TestCheckerSeesLateWrongAndRepeated(t *testing.T) {
	scene := NewScene(1)
	counts := tally.New()
	c := &Checker{Name: "v", Camera: 1, Tally: counts}
	frame := func(n uint32) []byte {
		b, err := scene.JPEG(n, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(b)
	}
	at := time.Unix(0, 0)
	c.Frame(frame(1), at)
	c.Frame(frame(2), at.Add(2*time.Second)) // late
	c.Frame(frame(2), at.Add(2*time.Second)) // again
	other, err := NewScene(3).JPEG(3, at)
	if err != nil {
		t.Fatal(err)
	}
	c.Frame(other, at.Add(2*time.Second)) // of another camera
	if got := counts.Read()["v"]; got.Total != 4 || got.Lost != 1 || got.Wrong != 2 {
		t.Errorf("counted %+v, want 4 of which 1 lost and 2 wrong", got)
	}
}

func TestReadRefusesDamage(t *testing.T) {
	good, err := NewScene(1).JPEG(5, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	cut := append(bytes.Clone(good[:len(good)/3]), 0xff, 0xd9)
	if _, err := Read(cut); err == nil {
		t.Error("a cut frame was read without an error")
	}
}

func sendFrame(t *testing.T, scene *Scene, s *Sender, r *Receiver, n uint32, drop int) [][]byte {
	t.Helper()
	data, err := scene.JPEG(n, time.Unix(int64(n), 0))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := s.Packets(data, n*ClockRate/FPS)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for i, p := range packets {
		if i == drop {
			continue
		}
		frames, err := r.Push(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, frames...)
	}
	return out
}

// TestReceiverPutsBackInOrder lets packets overtake each other, as they do
// when a sender moves between processors.
func TestReceiverPutsBackInOrder(t *testing.T) {
	scene, s := NewScene(1), &Sender{}
	var all [][]byte
	for n := range uint32(6) {
		data, err := scene.JPEG(n, time.Unix(int64(n), 0))
		if err != nil {
			t.Fatal(err)
		}
		packets, err := s.Packets(data, n*ClockRate/FPS)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, packets...)
	}
	for i := 2; i+3 < len(all); i += 5 {
		all[i], all[i+3] = all[i+3], all[i]
	}
	var r Receiver
	var got []uint32
	for i, p := range append(all, all[len(all)-1]) { // and one twice
		frames, err := r.Push(p)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		for _, f := range frames {
			m, err := Read(f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Number)
		}
	}
	if !slices.Equal(got, []uint32{0, 1, 2, 3, 4, 5}) || r.Lost != 0 || r.Overtaken == 0 {
		t.Errorf("frames %v, %d lost, %d overtaken", got, r.Lost, r.Overtaken)
	}
}

func FuzzReceiver(f *testing.F) {
	data, err := NewScene(1).JPEG(1, time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	packets, err := (&Sender{}).Packets(data, 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range packets {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r Receiver
		frames, _ := r.Push(raw)
		for _, frame := range frames {
			_, _ = Read(frame)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	scene := NewScene(1)
	for n := range b.N {
		if _, err := scene.JPEG(uint32(n), time.Unix(0, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	data, err := NewScene(1).JPEG(1, time.Unix(0, 0))
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		if _, err := Read(data); err != nil {
			b.Fatal(err)
		}
	}
}
