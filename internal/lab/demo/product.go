package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/masugata/masugata/internal/lab/instance"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/model"
)

// Names of the product's own processes in the lab.
const (
	ControlName = "masugata"
	GateName    = "masugata-gate"
	AgentName   = "masugata-agent"
	ForwardName = "dashboard"
)

// Product runs the real programs of Masugata in a lab: the control plane on
// its host, the gate between switch and router, the agent on camera A.
type Product struct {
	Lab *instance.Lab
	Bin string // folder of the three programs
	api *api
}

// NewProduct finds the programs; one that is missing is an error.
func NewProduct(l *instance.Lab, bin string) (*Product, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	for _, p := range []string{ControlName, GateName, AgentName} {
		if _, err := os.Stat(filepath.Join(bin, p)); err != nil {
			return nil, fmt.Errorf("demonstration: %w; run `make build` first or name the folder with --bin", err)
		}
	}
	p := &Product{Lab: l, Bin: bin}
	p.api = newAPI(l.Net, filepath.Join(p.data(), "admin.token"))
	return p, nil
}

func (p *Product) program(name string) string { return filepath.Join(p.Bin, name) }

func (p *Product) data() string {
	return filepath.Join(p.Lab.Dir, "hosts", string(topology.Control), "data")
}

// host gives a path on a host, with its folder made.
func (p *Product) host(n topology.Node, sub ...string) (string, error) {
	dir, err := p.Lab.HostDir(n, sub[:len(sub)-1]...)
	return filepath.Join(dir, sub[len(sub)-1]), err
}

// The configuration files of the three programs in the lab.
const (
	controlConfig = `data: %s
link:
  listen: ":7443"
  advertise: "%s:7443"
console:
  listen: "` + console + `"
  plain_http: true         # loopback of the lab's control host
events:
  memory_mb: 256
incidents:
  end_after: 6s
  retire_after: 5s
reputation:
  enabled: true
  feeds:
    - {name: lab, owner: lab, file: %s, kind: c2, trust: 90}
`
	// listedFile is the feed's: an address for documentation (RFC 5737) that
	// nothing in the lab has, so that the pages have something to say.
	listedFile    = "listed.txt"
	listedAddress = "198.51.100.23"
	gateConfig    = `state: %s
ports:
  inside: ` + topology.GateInside + `
  outside: ` + topology.GateOutside + `
  pin: %s
home:
  prefixes: [%s, "%s"]
flood:
  retire_after: 4s
`
	agentConfig = `state: %s
watch: [%s]
process_starts: true
`
)

// StartControl starts the control plane and waits until it answers.
func (p *Product) StartControl(ctx context.Context) error {
	file, err := p.host(topology.Control, "masugata.yaml")
	if err != nil {
		return err
	}
	listed := filepath.Join(filepath.Dir(file), listedFile)
	if err := os.WriteFile(listed, []byte(listedAddress+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, controlConfig, p.data(), topology.AddrManage, listed), 0o600); err != nil {
		return err
	}
	if _, err := p.Lab.Start(instance.Program{Name: ControlName, Node: topology.Control, Argv: []string{p.program(ControlName), "serve", "-c", file}}); err != nil {
		return err
	}
	return p.until(ctx, ControlName, 30*time.Second, func(ctx context.Context) error {
		_, err := p.api.parts(ctx)
		return err
	})
}

// until tries f until it succeeds, the named process ends or the time is over.
func (p *Product) until(ctx context.Context, name string, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		proc := p.Lab.Find(name)
		if ctx.Err() != nil || proc == nil || !proc.Alive() {
			return fmt.Errorf("%s is not ready: %w\nits last words:\n%s", name, err, p.Lab.Tail(name, 2000))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// run runs a program in a host to its end and gives its output.
func (p *Product) run(ctx context.Context, node topology.Node, argv ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := p.Lab.Net.Do(node, cmd.Start); err != nil {
		return "", fmt.Errorf("%s on %s: %w", filepath.Base(argv[0]), node, err)
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s %s on %s: %w: %s", filepath.Base(argv[0]), argv[1], node, err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// StartGate enrols the gate with a token from the REST interface, starts it,
// and waits until the control plane hears from it.
func (p *Product) StartGate(ctx context.Context) error {
	file, err := p.host(topology.Gate, "masugata-gate.yaml")
	if err != nil {
		return err
	}
	host := filepath.Dir(file)
	state, pin := filepath.Join(host, "state"), filepath.Join(host, "bpf")
	if err := p.Lab.MountBPF(pin); err != nil {
		return err
	}
	text := fmt.Appendf(nil, gateConfig, state, filepath.Join(pin, "masugata"), topology.HomeNet, topology.HomeNet6)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	token, err := p.api.enrolToken(ctx, model.RoleGate, "home gate")
	if err != nil {
		return err
	}
	endpoint := net.JoinHostPort(topology.AddrManage.String(), "7443")
	if _, err := p.run(ctx, topology.Gate, p.program(GateName), "enroll", "--endpoint", endpoint, "--token", token, "--state", state); err != nil {
		return err
	}
	if _, err := p.Lab.Start(instance.Program{Name: GateName, Node: topology.Gate, Argv: []string{p.program(GateName), "run", "-c", file}}); err != nil {
		return err
	}
	return p.until(ctx, GateName, 20*time.Second, func(ctx context.Context) error { return p.heard(ctx, model.RoleGate) })
}

// heard is an error while no part of the role has reported since it enrolled.
func (p *Product) heard(ctx context.Context, role model.Role) error {
	parts, err := p.api.parts(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(parts, func(x model.Part) bool {
		return x.Role == role && len(x.Coverage) > 0 && time.Since(x.LastSeen) < 5*time.Second
	}) {
		return nil
	}
	return fmt.Errorf("the control plane has not heard from an %s", role)
}

// StartAgent enrols the agent of camera A with a token from the command line,
// starts it, and waits until the control plane hears from it. It enrols only
// once: later calls start it again.
func (p *Product) StartAgent(ctx context.Context) error {
	file, err := p.host(topology.CameraA, "masugata-agent.yaml")
	if err != nil {
		return err
	}
	watched, err := p.Lab.HostDir(topology.CameraA, "etc")
	if err != nil {
		return err
	}
	state := filepath.Join(filepath.Dir(file), "state")
	if _, err := os.Stat(state); errors.Is(err, os.ErrNotExist) {
		if err := p.enrolAgent(ctx, file, state, watched); err != nil {
			return err
		}
	}
	if _, err := p.Lab.Start(instance.Program{Name: AgentName, Node: topology.CameraA, Argv: []string{p.program(AgentName), "run", "-c", file}}); err != nil {
		return err
	}
	return p.until(ctx, AgentName, 20*time.Second, func(ctx context.Context) error { return p.heard(ctx, model.RoleAgent) })
}

func (p *Product) enrolAgent(ctx context.Context, file, state, watched string) error {
	if err := os.WriteFile(file, fmt.Appendf(nil, agentConfig, state, watched), 0o600); err != nil {
		return err
	}
	token, err := p.run(ctx, topology.Control, p.program(ControlName), "enroll", "--role", "agent", "--name", "camera A",
		"--ttl", "10m", "--url", "http://"+console, "--data", p.data())
	if err != nil {
		return err
	}
	endpoint := net.JoinHostPort(topology.AddrControl.String(), "7443")
	_, err = p.run(ctx, topology.CameraA, p.program(AgentName), "enroll", "--endpoint", endpoint, "--token", token, "--state", state, "--name", "camera A")
	return err
}

// Dashboard makes the console reachable from the machine itself and gives its
// address and, while no user is set up, the address for setting one up.
func (p *Product) Dashboard(ctx context.Context, life time.Duration) (address, setup string, err error) {
	listen := console
	if l, err := net.Listen("tcp", listen); err == nil {
		l.Close()
	} else if listen, err = freeAddress(); err != nil {
		return "", "", err
	}
	argv := []string{p.Lab.Exe, "lab", "role", "forward", "--dir", p.Lab.Dir, "--listen", listen,
		"--into", p.Lab.Net.Path(topology.Control), "--to", console, "--life", life.String()}
	if _, err := p.Lab.Start(instance.Program{Name: ForwardName, Argv: argv}); err != nil {
		return "", "", err
	}
	if err := p.until(ctx, ForwardName, 10*time.Second, func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", listen)
		if err == nil {
			c.Close()
		}
		return err
	}); err != nil {
		return "", "", err
	}
	address = "http://" + listen
	if data, err := os.ReadFile(filepath.Join(p.data(), "setup.url")); err == nil {
		_, path, _ := strings.Cut(strings.TrimSpace(string(data)), console)
		setup = address + path
	}
	return address, setup, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("dashboard: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
