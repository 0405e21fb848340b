package video

import (
	"bytes"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab/tally"
)

func TestFramesCrossRTP(t *testing.T) {
	scene, s, r := NewScene(2), &Sender{SSRC: 7}, &Receiver{}
	for n := uint32(1000); n < 1040; n++ {
		frame := sendFrame(t, scene, s, r, n, -1)
		seen, err := Read(frame)
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
		if frame := sendFrame(t, scene, s, r, n, drop); frame != nil {
			c.Frame(frame, time.Unix(int64(n), 0))
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

func sendFrame(t *testing.T, scene *Scene, s *Sender, r *Receiver, n uint32, drop int) []byte {
	t.Helper()
	data, err := scene.JPEG(n, time.Unix(int64(n), 0))
	if err != nil {
		t.Fatal(err)
	}
	packets, err := s.Packets(data, n*ClockRate/FPS)
	if err != nil {
		t.Fatal(err)
	}
	var frame []byte
	for i, p := range packets {
		if i == drop {
			continue
		}
		f, err := r.Push(p)
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			frame = f
		}
	}
	return frame
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
		if frame, err := r.Push(raw); err == nil && frame != nil {
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
