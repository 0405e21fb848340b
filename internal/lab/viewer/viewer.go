// Package viewer watches cameras as a recorder does: by RTSP over UDP or
// interleaved, or as a cloud that takes uploads, and judges every frame. It
// knows the cameras' numbers and counts into a tally; the lab's recorder and
// cloud run it.
package viewer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/lab/rtsp"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/video"
)

// Config says which camera is watched and how.
type Config struct {
	Camera netip.AddrPort // of its RTSP server
	Number uint8
	Name   string // of the counter
	UDP    bool   // RTP over UDP; otherwise interleaved in the RTSP connection
	Tally  *tally.Tally
	Log    *slog.Logger
}

// silence is how long no packet may come before the stream counts as broken.
const silence = 3 * time.Second

// Run watches until ctx ends and connects anew when the stream breaks; the
// frames missed in between count as lost.
func Run(ctx context.Context, c Config) error {
	check := &video.Checker{Name: c.Name, Camera: c.Number, Tally: c.Tally}
	for ctx.Err() == nil {
		err := c.watch(ctx, check)
		if ctx.Err() != nil {
			return nil
		}
		c.Log.Warn("video stream broke", "camera", c.Name, "error", err)
		c.Tally.Lost(c.Name, 1, "stream broke: "+err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

func (c Config) watch(ctx context.Context, check *video.Checker) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := net.Dialer{Timeout: silence}
	conn, err := d.DialContext(ctx, "tcp", c.Camera.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	cl := &client{conn: conn, r: bufio.NewReaderSize(conn, 64<<10), url: "rtsp://" + c.Camera.String() + "/live"}
	media, err := cl.start(ctx, c.UDP)
	if err != nil {
		return err
	}
	if media == nil {
		return cl.interleaved(check)
	}
	defer media.Close()
	stopMedia := context.AfterFunc(ctx, func() { media.Close() })
	defer stopMedia()
	go cl.keepAlive(ctx)
	return Receive(media, check)
}

// Receive judges the frames that arrive as RTP on a UDP socket, from one
// sender, until the socket is closed or silent.
func Receive(media net.PacketConn, check *video.Checker) error {
	var r video.Receiver
	buf := make([]byte, 2048)
	for {
		if err := media.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		n, _, err := media.ReadFrom(buf)
		if err != nil {
			return err
		}
		if err := push(&r, buf[:n], check); err != nil {
			return err
		}
	}
}

func push(r *video.Receiver, raw []byte, check *video.Checker) error {
	frames, err := r.Push(raw)
	for _, f := range frames {
		check.Frame(f, time.Now())
	}
	return err
}

// client is one RTSP connection as its client sees it.
type client struct {
	conn    net.Conn
	r       *bufio.Reader
	url     string
	cseq    int
	session string
}

// start goes through DESCRIBE, SETUP and PLAY. It gives the UDP socket of the
// stream, or nil when the stream is interleaved.
func (c *client) start(ctx context.Context, udp bool) (net.PacketConn, error) {
	desc, err := c.call("DESCRIBE", c.url, map[string]string{"Accept": "application/sdp"})
	if err != nil {
		return nil, err
	}
	control := regexp.MustCompile(`(?s)m=video .*?a=control:(\S+)`).FindSubmatch(desc.Body)
	if control == nil {
		return nil, errors.New("rtsp: the description names no video")
	}
	track := strings.TrimRight(desc.Header["Content-Base"], "/") + "/" + string(control[1])
	var media net.PacketConn
	transport := "RTP/AVP/TCP;unicast;interleaved=0-1"
	if udp {
		if media, err = listenMedia(ctx, c.conn.LocalAddr()); err != nil {
			return nil, err
		}
		port := media.LocalAddr().(*net.UDPAddr).Port
		transport = fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d", port, port+1)
	}
	if err := c.play(track, transport); err != nil {
		if media != nil {
			media.Close()
		}
		return nil, err
	}
	return media, nil
}

func (c *client) play(track, transport string) error {
	setup, err := c.call("SETUP", track, map[string]string{"Transport": transport})
	if err != nil {
		return err
	}
	c.session, _, _ = strings.Cut(setup.Header["Session"], ";")
	_, err = c.call("PLAY", c.url, map[string]string{"Range": "npt=now-"})
	return err
}

func listenMedia(ctx context.Context, local net.Addr) (net.PacketConn, error) {
	host, _, err := net.SplitHostPort(local.String())
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	p, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("media socket: %w", err)
	}
	if u, ok := p.(*net.UDPConn); ok {
		_ = u.SetReadBuffer(1 << 20) // as far as the system allows
	}
	return p, nil
}

// call sends a request and waits for its answer, passing over packets.
func (c *client) call(method, url string, header map[string]string) (*rtsp.Message, error) {
	if err := c.request(method, url, header); err != nil {
		return nil, err
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return nil, err
	}
	for {
		m, err := rtsp.Read(c.r)
		if err != nil {
			return nil, fmt.Errorf("rtsp %s: %w", method, err)
		}
		if m.Interleaved {
			continue
		}
		if m.Status() != 200 {
			return nil, fmt.Errorf("rtsp %s: answered %q", method, m.First)
		}
		return m, nil
	}
}

func (c *client) request(method, url string, header map[string]string) error {
	c.cseq++
	m := &rtsp.Message{First: [3]string{method, url, "RTSP/1.0"}, Header: header}
	m.Header["CSeq"] = fmt.Sprint(c.cseq)
	if c.session != "" {
		m.Header["Session"] = c.session
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return err
	}
	_, err := c.conn.Write(m.Append(nil))
	return err
}

// interleaved judges the frames in the RTSP connection itself.
func (c *client) interleaved(check *video.Checker) error {
	var r video.Receiver
	ping := time.Now()
	for {
		if time.Since(ping) > 20*time.Second {
			ping = time.Now()
			if err := c.request("GET_PARAMETER", c.url, map[string]string{}); err != nil {
				return err
			}
		}
		if err := c.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		m, err := rtsp.Read(c.r)
		if err != nil {
			return err
		}
		if m.Interleaved && m.Channel == 0 {
			if err := push(&r, m.Body, check); err != nil {
				return err
			}
		}
	}
}

// keepAlive tells the camera every 20 s that somebody still watches.
func (c *client) keepAlive(ctx context.Context) {
	t := time.NewTicker(20 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if _, err := c.call("GET_PARAMETER", c.url, map[string]string{}); err != nil {
				c.conn.Close()
				return
			}
		}
	}
}
