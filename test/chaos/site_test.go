package chaos

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

// certificateLife is short, so that parts renew under the kills: with the
// backdating for slow clocks, two thirds of it are over after 20 seconds. The
// other 20 are for parts that did not get through meanwhile; one that lets its
// certificate end is locked out by design.
const certificateLife = 40 * time.Second

// site is a control plane with its parts, all of them processes.
type site struct {
	t       *testing.T
	dir     string
	link    string
	console string
	control *process
	parts   []*process
}

func newSite(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), link: freePort(t), console: freePort(t)}
	path, env := os.Args[0], []string{serveEnv + "=1"}
	if dir := os.Getenv("MASUGATA_BIN"); dir != "" {
		path, env = filepath.Join(dir, "masugata"), nil
	}
	s.control = s.process("control", path, func(int) []string { return env }, "serve",
		"--set", "data="+s.data(), "--set", "link.listen="+s.link, "--set", "console.listen="+s.console,
		"--set", "link.certificate_life="+certificateLife.String(), "--set", "events.memory_mb=256",
		"--set", "incidents.end_after=6s", "--set", "incidents.retire_after=2s")
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *site) process(name, path string, env func(int) []string, args ...string) *process {
	p := &process{t: s.t, name: name, path: path, args: args, env: env, log: filepath.Join(s.dir, name+".log")}
	s.t.Cleanup(p.discard)
	return p
}

func (s *site) data() string               { return filepath.Join(s.dir, "data") }
func (s *site) partDir(name string) string { return filepath.Join(s.dir, name) }

// enroll makes a part by the way that operators go, and starts its process.
func (s *site) enroll(role model.Role) {
	s.t.Helper()
	n := len(s.parts)
	name := fmt.Sprintf("%s%d", role, n)
	device := model.NewDeviceID([6]byte{2, 0, 0, 0, 7, byte(n)}, 0)
	var token struct{ Text string }
	s.api("POST", "/enroll-tokens", map[string]any{"role": role, "name": name}, &token)
	err := client.Enroll(context.Background(), client.EnrollConfig{Endpoint: s.link, Token: token.Text, Dir: s.partDir(name),
		Role: string(role), Name: name, Device: string(device), Software: "chaos"})
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.process(name, os.Args[0], func(start int) []string {
		return []string{reporterEnv + "=" + s.partDir(name), generationEnv + "=" + strconv.Itoa(start)}
	})
	p.run()
	s.parts = append(s.parts, p)
}

// tryAPI calls the REST API; out may be nil.
func (s *site) tryAPI(method, path string, body, out any) error {
	token, err := os.ReadFile(filepath.Join(s.data(), "admin.token"))
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(filepath.Join(s.data(), "console", "cert.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	h := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "https://"+s.console+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	r, err := h.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, r.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (s *site) api(method, path string, body, out any) {
	s.t.Helper()
	if err := s.tryAPI(method, "/api/v1"+path, body, out); err != nil {
		s.t.Fatal(err)
	}
}

// healthy waits until the control plane answers.
func (s *site) healthy() {
	s.t.Helper()
	s.eventually("control plane healthy", 30*time.Second, func() bool {
		return s.tryAPI("GET", "/healthz", nil, nil) == nil
	})
}

// eventually waits for f while no process may end by itself.
func (s *site) eventually(what string, within time.Duration, f func() bool) {
	s.t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
		s.allAlive()
	}
	s.t.Fatalf("not within %v: %s\n%s", within, what, s.tails())
}

func (s *site) allAlive() {
	s.t.Helper()
	for _, p := range s.running() {
		p.alive()
	}
}

// running gives all processes, the control plane first.
func (s *site) running() []*process { return append([]*process{s.control}, s.parts...) }

func (s *site) tails() string {
	var b strings.Builder
	for _, p := range s.running() {
		b.WriteString(p.tail() + "\n")
	}
	return b.String()
}

// acked gives how many acknowledgements a part has noted.
func (s *site) acked(p *process) int64 {
	info, err := os.Stat(filepath.Join(s.partDir(p.name), ackedLedger))
	if err != nil {
		return 0
	}
	return info.Size() / numberSize
}

// allAcked gives how many acknowledgements all parts have noted.
func (s *site) allAcked() (n int64) {
	for _, p := range s.parts {
		n += s.acked(p)
	}
	return n
}

// drain lets the parts deliver all they have, and the control plane store it,
// and ends them.
func (s *site) drain() {
	s.t.Helper()
	for _, p := range s.parts {
		s.eventually(p.name+" at work", time.Minute, func() bool { return s.submits(p) })
	}
	for _, p := range s.parts {
		p.finish(2 * time.Minute)
	}
	parts := s.parts
	s.parts = nil // they have ended, and well
	s.eventually("nothing waits on the bus", time.Minute, s.busEmpty)
	s.control.finish(time.Minute)
	s.parts = parts
}

// submits says whether the present process of a part has come to its work.
func (s *site) submits(p *process) bool {
	n, err := readNumbers(s.partDir(p.name), flushedLedger)
	return err == nil && len(n) > 0 && n[len(n)-1]>>32 == uint64(p.start)
}

func (s *site) busEmpty() bool {
	var status struct{ Inner map[string]string }
	if s.tryAPI("GET", "/api/v1/status", nil, &status) != nil {
		return false
	}
	return strings.HasPrefix(status.Inner["bus"], "0 messages")
}
