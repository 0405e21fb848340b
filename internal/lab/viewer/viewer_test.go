package viewer_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/lab/camera"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/video"
	"github.com/masugata/masugata/internal/lab/viewer"
)

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func startCamera(t *testing.T) (media, web string) {
	t.Helper()
	media, web = freePort(t), freePort(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- camera.Run(ctx, camera.Config{Number: 1, Name: "front door", RTSP: media, HTTP: web, Log: slog.New(slog.DiscardHandler)})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for range 100 {
		if c, err := net.Dial("tcp", media); err == nil {
			c.Close()
			return media, web
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the camera does not answer")
	return "", ""
}

func TestViewerSeesEveryFrame(t *testing.T) {
	media, web := startCamera(t)
	counts := tally.New()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	done := make(chan error, 2)
	for _, udp := range []bool{true, false} {
		go func() {
			done <- viewer.Run(ctx, viewer.Config{Camera: netip.MustParseAddrPort(media), Number: 1, Name: fmt.Sprint("udp ", udp),
				UDP: udp, Tally: counts, Log: slog.New(slog.DiscardHandler)})
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"udp true", "udp false"} {
		if c := counts.Read()[name]; c.Total < 20 || c.Bad() != 0 {
			t.Errorf("%s: counted %+v in 2 s, want about 30 frames, all good", name, c)
		}
	}
	snapshot(t, web)
}

func snapshot(t *testing.T, web string) {
	t.Helper()
	res, err := http.Get("http://" + web + "/snapshot.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := video.Read(b); err != nil || seen.Camera != 1 {
		t.Errorf("snapshot: read %+v, %v", seen, err)
	}
}

func TestFFmpegPlaysTheCamera(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	media, _ := startCamera(t)
	for _, transport := range []string{"udp", "tcp"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, ffmpeg, "-hide_banner", "-loglevel", "info", "-rtsp_transport", transport,
			"-i", "rtsp://"+media+"/live", "-frames:v", "10", "-f", "framemd5", "-")
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", transport, err, errs.String())
		}
		sums := map[string]bool{}
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				sums[line[strings.LastIndex(line, ",")+1:]] = true
			}
		}
		if len(sums) != 10 || !strings.Contains(errs.String(), "320x240") {
			t.Errorf("%s: ffmpeg saw %d different frames, want 10 of 320x240\n%s", transport, len(sums), errs.String())
		}
	}
}
