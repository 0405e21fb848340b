// Package camera is the lab's camera: it renders a live picture, serves it by
// RTSP (RTP over UDP or interleaved), shows a small web page with settings,
// and uploads its picture to a cloud when told an address. It knows nothing of
// who watches; the lab's camera role runs it.
package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/video"
)

// Config says what a camera is and where it listens.
type Config struct {
	Number uint8 // in every frame
	Name   string
	RTSP   string         // listen address, such as ":554"
	HTTP   string         // listen address, such as ":80"
	Cloud  netip.AddrPort // where the picture is uploaded by RTP over UDP; zero for nowhere
	Log    *slog.Logger
}

// Run serves until ctx ends.
func Run(ctx context.Context, c Config) error {
	var lc net.ListenConfig
	media, err := lc.Listen(ctx, "tcp", c.RTSP)
	if err != nil {
		return fmt.Errorf("camera %s: rtsp: %w", c.Name, err)
	}
	defer media.Close()
	web, err := lc.Listen(ctx, "tcp", c.HTTP)
	if err != nil {
		return fmt.Errorf("camera %s: web: %w", c.Name, err)
	}
	defer web.Close()
	cam := &camera{Config: c, watchers: map[watcher]struct{}{}, started: time.Now(), title: c.Name}
	if c.Cloud.IsValid() {
		up, err := dialUDP(ctx, c.Cloud)
		if err != nil {
			return fmt.Errorf("camera %s: cloud: %w", c.Name, err)
		}
		defer up.Close()
		cam.add(udpWatcher{up})
	}
	srv := &http.Server{Handler: cam.web(), ReadHeaderTimeout: 5 * time.Second}
	go srv.Serve(web)       // ends with web
	go cam.serveRTSP(media) // ends with media
	defer srv.Close()
	return cam.film(ctx)
}

func dialUDP(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "udp", to.String())
}

// watcher takes the packets of the stream; it must not block and must not
// keep them.
type watcher interface{ packets([][]byte) }

type udpWatcher struct{ net.Conn }

func (u udpWatcher) packets(ps [][]byte) {
	for _, p := range ps {
		_, _ = u.Write(p) // an unreachable watcher is not the camera's trouble
	}
}

type camera struct {
	Config
	started time.Time

	mu       sync.Mutex
	watchers map[watcher]struct{}
	number   uint32
	still    []byte // the last frame
	title    string
	base     uint32 // media time stamp of the last frame
	seq      uint16 // next RTP sequence number
}

func (c *camera) add(w watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers[w] = struct{}{}
}

func (c *camera) remove(w watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watchers, w)
}

// film makes one frame each 1/FPS second until ctx ends.
func (c *camera) film(ctx context.Context) error {
	scene, sender := video.NewScene(c.Number), &video.Sender{SSRC: 0x4d470000 | uint32(c.Number)}
	tick := time.NewTicker(time.Second / video.FPS)
	defer tick.Stop()
	for n := uint32(1); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.frame(scene, sender, n); err != nil {
			return fmt.Errorf("camera %s: %w", c.Name, err)
		}
	}
}

func (c *camera) frame(scene *video.Scene, sender *video.Sender, n uint32) error {
	data, err := scene.JPEG(n, time.Now())
	if err != nil {
		return err
	}
	stamp := n * (video.ClockRate / video.FPS)
	packets, err := sender.Packets(data, stamp)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number, c.still, c.base = n, append(c.still[:0], data...), stamp
	c.seq += uint16(len(packets))
	for w := range c.watchers {
		w.packets(packets)
	}
	return nil
}

func (c *camera) serveRTSP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			c.Log.Warn("rtsp accept failed", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go func() {
			s := &session{camera: c, conn: conn}
			if err := s.serve(); err != nil {
				c.Log.Info("rtsp session ended", "peer", conn.RemoteAddr().String(), "error", err)
			}
		}()
	}
}
