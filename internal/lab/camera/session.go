package camera

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/lab/rtsp"
	"github.com/masugata/masugata/internal/lab/video"
)

// sessionTimeout ends a session whose client says nothing (RFC 2326, 12.37).
const sessionTimeout = 60 * time.Second

// session is one RTSP connection.
type session struct {
	camera *camera
	conn   net.Conn
	write  sync.Mutex // one message at a time on conn

	url     string
	watch   watcher // nil before SETUP
	media   net.Conn
	playing bool
}

func (s *session) serve() error {
	defer s.end()
	r := bufio.NewReader(s.conn)
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(sessionTimeout)); err != nil {
			return err
		}
		m, err := rtsp.Read(r)
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if m.Interleaved || m.Status() != 0 {
			continue // the client's RTCP
		}
		if err := s.send(s.answer(m)); err != nil {
			return err
		}
		switch m.First[0] {
		case "PLAY":
			s.play()
		case "TEARDOWN":
			return nil
		}
	}
}

func (s *session) end() {
	if s.watch != nil {
		s.camera.remove(s.watch)
	}
	if q, ok := s.watch.(*queue); ok {
		q.close()
	}
	if s.media != nil {
		s.media.Close()
	}
	s.conn.Close()
}

func (s *session) send(m *rtsp.Message) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err := s.conn.Write(m.Append(nil))
	return err
}

func (s *session) answer(m *rtsp.Message) *rtsp.Message {
	a := &rtsp.Message{First: [3]string{"RTSP/1.0", "200", "OK"}, Header: map[string]string{"CSeq": m.Header["Cseq"], "Server": "masugata lab camera"}}
	fail := func(code, reason string) *rtsp.Message {
		a.First[1], a.First[2] = code, reason
		return a
	}
	switch m.First[0] {
	case "OPTIONS":
		a.Header["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER"
	case "DESCRIBE":
		a.Header["Content-Type"] = "application/sdp"
		a.Header["Content-Base"] = strings.TrimRight(m.First[1], "/") + "/"
		a.Body = s.sdp()
	case "SETUP":
		if s.watch != nil {
			return fail("459", "Aggregate Operation Not Allowed")
		}
		transport, err := s.setup(m.Header["Transport"])
		if err != nil {
			s.camera.Log.Info("rtsp transport refused", "error", err)
			return fail("461", "Unsupported Transport")
		}
		a.Header["Transport"] = transport
		a.Header["Session"] = fmt.Sprintf("%p;timeout=60", s)[2:]
		s.url = m.First[1]
	case "PLAY":
		if s.watch == nil {
			return fail("455", "Method Not Valid in This State")
		}
		s.camera.mu.Lock()
		a.Header["RTP-Info"] = fmt.Sprintf("url=%s;seq=%d;rtptime=%d", s.url, s.camera.seq, s.camera.base+video.ClockRate/video.FPS)
		s.camera.mu.Unlock()
		a.Header["Range"] = "npt=now-"
	case "PAUSE":
		if s.watch != nil {
			s.camera.remove(s.watch)
			s.playing = false
		}
	case "GET_PARAMETER", "TEARDOWN":
	default:
		return fail("501", "Not Implemented")
	}
	return a
}

func (s *session) sdp() []byte {
	host, _, _ := net.SplitHostPort(s.conn.LocalAddr().String())
	return fmt.Appendf(nil, "v=0\r\no=- %d 1 IN IP4 %s\r\ns=%s\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"+
		"m=video 0 RTP/AVP %d\r\na=rtpmap:%d JPEG/%d\r\na=framerate:%d\r\na=control:video\r\n",
		s.camera.started.Unix(), host, s.camera.Name, video.PayloadType, video.PayloadType, video.ClockRate, video.FPS)
}

// setup makes the way for the packets and gives the Transport to answer.
func (s *session) setup(transport string) (string, error) {
	for _, offer := range strings.Split(transport, ",") {
		params := map[string]string{}
		for _, p := range strings.Split(offer, ";") {
			k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
			params[k] = v
		}
		if _, multicast := params["multicast"]; multicast {
			continue
		}
		if _, tcp := params["RTP/AVP/TCP"]; tcp {
			s.watch = newQueue(s)
			return "RTP/AVP/TCP;unicast;interleaved=0-1", nil
		}
		first, _, _ := strings.Cut(params["client_port"], "-")
		port, err := strconv.ParseUint(first, 10, 16)
		if err != nil || port == 0 {
			continue
		}
		return s.setupUDP(uint16(port))
	}
	return "", fmt.Errorf("transport %.100q: want RTP/AVP;unicast;client_port=N-M or RTP/AVP/TCP;unicast", transport)
}

func (s *session) setupUDP(port uint16) (string, error) {
	peer, _ := s.conn.RemoteAddr().(*net.TCPAddr)
	local, _ := s.conn.LocalAddr().(*net.TCPAddr)
	if peer == nil || local == nil {
		return "", errors.New("not a TCP connection")
	}
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: local.IP}, &net.UDPAddr{IP: peer.IP, Port: int(port), Zone: peer.Zone})
	if err != nil {
		return "", fmt.Errorf("media to %s port %d: %w", peer.IP, port, err)
	}
	s.media, s.watch = c, udpWatcher{c}
	own := c.LocalAddr().(*net.UDPAddr).Port
	return fmt.Sprintf("RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d;ssrc=%08X", port, port+1, own, own+1, 0x4d470000|uint32(s.camera.Number)), nil
}

func (s *session) play() {
	if s.watch == nil || s.playing {
		return
	}
	s.playing = true
	s.camera.add(s.watch)
}

// queue carries packets into the RTSP connection without holding up the
// camera: a client that does not read loses its session.
type queue struct {
	frames chan []byte
	done   chan struct{}
	once   sync.Once
}

func newQueue(s *session) *queue {
	q := &queue{frames: make(chan []byte, 4*video.FPS), done: make(chan struct{})}
	go func() {
		for {
			select {
			case <-q.done:
				return
			case b := <-q.frames:
				if err := s.raw(b); err != nil {
					s.conn.Close()
					return
				}
			}
		}
	}()
	return q
}

func (q *queue) close() { q.once.Do(func() { close(q.done) }) }

func (q *queue) packets(ps [][]byte) {
	var b []byte
	for _, p := range ps {
		m := rtsp.Message{Interleaved: true, Body: p}
		b = m.Append(b)
	}
	select {
	case q.frames <- b:
	default: // four seconds behind: leave the frame out, the viewer counts it
	}
}

func (s *session) raw(b []byte) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}
