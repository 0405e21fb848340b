package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/lab/camera"
	"github.com/masugata/masugata/internal/lab/desk"
	"github.com/masugata/masugata/internal/lab/internet"
	"github.com/masugata/masugata/internal/lab/tally"
	"github.com/masugata/masugata/internal/lab/topology"
	"github.com/masugata/masugata/internal/lab/traffic"
	"github.com/masugata/masugata/internal/lab/victim"
	"github.com/masugata/masugata/internal/lab/viewer"
)

// role is one host of the lab at work.
type role struct {
	dir   string
	node  topology.Node
	log   *slog.Logger
	tally *tally.Tally
	mux   *http.ServeMux
	ready chan struct{} // closed when the role may be asked
}

// runRole works as the named role until ctx ends or its life is over.
func runRole(ctx context.Context, name, dir string, node topology.Node, life time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, life)
	defer cancel()
	counts := tally.New()
	r := &role{dir: dir, node: node, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), tally: counts, mux: desk.Mux(counts), ready: make(chan struct{})}
	work := map[string]func(context.Context) error{
		"init":                    r.init,
		string(topology.CameraA):  r.camera,
		string(topology.CameraB):  r.camera,
		string(topology.Recorder): r.recorder,
		string(topology.TV):       r.tv,
		string(topology.Laptop):   r.laptop,
		string(topology.Internet): r.internet,
		string(topology.Victim):   r.victim,
	}[name]
	if work == nil {
		return fmt.Errorf("lab role %q is not known", name)
	}
	if name != string(topology.Victim) {
		close(r.ready)
	}
	errs := make(chan error, 2)
	go func() { errs <- work(ctx) }()
	if name == "init" {
		name += "-" + string(node)
	}
	go func() { errs <- r.serve(ctx, name) }()
	err := <-errs
	cancel()
	return errors.Join(err, <-errs)
}

func (r *role) serve(ctx context.Context, name string) error {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return nil
	}
	return desk.Serve(ctx, filepath.Join(r.dir, "sock", name+".sock"), r.mux)
}

// together runs all until ctx ends; the first error ends all.
func together(ctx context.Context, fs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(fs))
	for i, f := range fs {
		wg.Go(func() {
			if errs[i] = f(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// steady makes a loop that cannot fail one for together.
func steady(f func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		f(ctx)
		return nil
	}
}

func at(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func dnsServer() netip.AddrPort { return at(topology.AddrDNS, 53) }
func ntpServer() netip.AddrPort { return at(topology.AddrNTP, 123) }
func broker() netip.AddrPort    { return at(topology.AddrMQTT, 1883) }
func speedTest() netip.AddrPort { return at(topology.AddrSpeed, 8080) }
func cloud() netip.AddrPort     { return at(topology.AddrCloud, 5004) }
func webServer() netip.AddrPort { return at(topology.AddrHTTP, 80) }
func webURL(path string) string { return "http://" + webServer().String() + path }
func cameraNo(n topology.Node) uint8 {
	return map[topology.Node]uint8{topology.CameraA: 1, topology.CameraB: 2}[n]
}

func (r *role) camera(ctx context.Context) error {
	c := camera.Config{Number: cameraNo(r.node), Name: string(r.node), RTSP: ":554", HTTP: ":80", Log: r.log}
	if r.node == topology.CameraA {
		c.Cloud = cloud()
	}
	return together(ctx,
		func(ctx context.Context) error { return camera.Run(ctx, c) },
		steady(func(ctx context.Context) { traffic.DNS(ctx, dnsServer(), string(r.node), r.tally) }),
		steady(func(ctx context.Context) { traffic.NTP(ctx, ntpServer(), r.tally) }),
		steady(func(ctx context.Context) { traffic.Publish(ctx, broker(), string(r.node), r.tally, r.log) }),
		steady(func(ctx context.Context) { traffic.Announce(ctx, string(r.node), r.tally) }),
		steady(func(ctx context.Context) { traffic.Pages(ctx, webURL("/small"), time.Second, "http small", r.tally) }))
}

func (r *role) recorder(ctx context.Context) error {
	watch := func(n topology.Node, udp bool) func(context.Context) error {
		return func(ctx context.Context) error {
			return viewer.Run(ctx, viewer.Config{Camera: at(topology.Addr(n), 554), Number: cameraNo(n), Name: "video " + string(n), UDP: udp, Tally: r.tally, Log: r.log})
		}
	}
	hosts := []string{string(topology.CameraA), string(topology.CameraB)}
	return together(ctx, watch(topology.CameraA, true), watch(topology.CameraB, false),
		func(ctx context.Context) error { return traffic.Listen(ctx, topology.HostPort, r.tally) },
		steady(func(ctx context.Context) { traffic.Subscribe(ctx, broker(), string(r.node), hosts, r.tally, r.log) }),
		steady(func(ctx context.Context) { traffic.DNS(ctx, dnsServer(), string(r.node), r.tally) }),
		steady(func(ctx context.Context) { traffic.NTP(ctx, ntpServer(), r.tally) }))
}

func (r *role) tv(ctx context.Context) error {
	return together(ctx,
		steady(func(ctx context.Context) { traffic.Stream(ctx, webURL(""), r.tally) }),
		steady(func(ctx context.Context) { traffic.DNS(ctx, dnsServer(), string(r.node), r.tally) }),
		steady(func(ctx context.Context) { traffic.NTP(ctx, ntpServer(), r.tally) }))
}

func (r *role) laptop(ctx context.Context) error {
	speed := &traffic.SpeedTest{}
	r.mux.HandleFunc("GET /speed", func(w http.ResponseWriter, _ *http.Request) { desk.Answer(w, speed.Readings()) })
	page := func(n topology.Node) func(context.Context) {
		return func(ctx context.Context) {
			traffic.Pages(ctx, "http://"+topology.Addr(n).String()+"/", time.Second, "web "+string(n), r.tally)
		}
	}
	return together(ctx,
		steady(func(ctx context.Context) { speed.Run(ctx, speedTest(), r.tally) }),
		steady(func(ctx context.Context) { traffic.DNS(ctx, dnsServer(), string(r.node), r.tally) }),
		steady(func(ctx context.Context) {
			traffic.Pages(ctx, webURL("/small"), 200*time.Millisecond, "http small", r.tally)
		}),
		steady(func(ctx context.Context) { traffic.Firmware(ctx, webURL("/firmware"), r.tally) }),
		steady(page(topology.CameraA)), steady(page(topology.CameraB)))
}

func (r *role) internet(ctx context.Context) error {
	addrs := internet.Addrs{DNS: dnsServer(), NTP: ntpServer(), HTTP: webServer(), Speed: speedTest(), MQTT: broker(), Cloud: cloud()}
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return internet.Run(ctx, addrs, internet.Uploader{Number: cameraNo(topology.CameraA), Name: "upload " + string(topology.CameraA)}, r.tally, quiet)
}

func (r *role) victim(ctx context.Context) error {
	home := func(last byte) uint8 {
		for _, n := range []topology.Node{topology.CameraA, topology.CameraB} {
			if topology.Addr(n).As4()[3] == last {
				return cameraNo(n)
			}
		}
		return 0
	}
	v := &victim.Victim{Port: topology.HostPort, Home: home, Log: r.log}
	r.mux.HandleFunc("POST /watch", func(w http.ResponseWriter, q *http.Request) {
		target, err := netip.ParseAddr(q.FormValue("target"))
		if err != nil {
			http.Error(w, "target: "+err.Error(), http.StatusBadRequest)
			return
		}
		v.Watch(target)
	})
	r.mux.HandleFunc("GET /arrivals", func(w http.ResponseWriter, _ *http.Request) {
		c, err := v.Read()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		desk.Answer(w, c)
	})
	return v.Run(ctx, func() { close(r.ready) })
}

// init is the first process of a device: it gives the device its own view of
// processes and a name, and takes in orphans.
func (r *role) init(ctx context.Context) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("device %s: own mounts: %w", r.node, err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("device %s: /proc: %w", r.node, err)
	}
	if err := unix.Sethostname([]byte(r.node)); err != nil {
		return fmt.Errorf("device %s: name: %w", r.node, err)
	}
	gone := make(chan os.Signal, 16)
	signal.Notify(gone, unix.SIGCHLD)
	defer signal.Stop(gone)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-gone:
			for {
				pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
				if pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}

// untilTold gives a context that ends with SIGTERM or SIGINT.
func untilTold(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, unix.SIGTERM, unix.SIGINT)
}
