package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/block"
	"github.com/masugata/masugata/internal/gate/inline"
	"github.com/masugata/masugata/internal/link/client"
	"github.com/masugata/masugata/internal/model"
)

// Status is how a running gate stands; `masugata-gate status` shows it.
type Status struct {
	Version    string           `json:"version"`
	Part       model.PartID     `json:"part,omitempty"` // empty when the gate never enrolled
	PID        int              `json:"pid"`
	Started    time.Time        `json:"started"`
	Inside     string           `json:"inside"`
	Outside    string           `json:"outside"`
	Attach     string           `json:"attach"`  // native or generic
	Adopted    bool             `json:"adopted"` // the data path of a former process was taken over
	FailMode   string           `json:"fail_mode"`
	FloodMode  model.Mode       `json:"flood_mode"`
	Policy     uint64           `json:"policy"` // version of the signed policy, 0 for the configuration's own
	Link       *client.Status   `json:"link,omitempty"`
	Floods     int              `json:"floods"` // that go on
	Blocks     []block.Block    `json:"blocks"`
	Devices    int              `json:"devices"`
	Flows      int              `json:"flows"`
	Totals     datapath.Totals  `json:"totals"`
	Coverage   []model.Coverage `json:"coverage"`
	Inspection *inline.Status   `json:"inspection,omitempty"`
	Contacts   *ContactsStatus  `json:"contacts,omitempty"` // none: nobody is told whom devices speak with
	Scans      uint64           `json:"scans"`
	Late       uint64           `json:"late_scans"`
	LastScan   time.Duration    `json:"last_scan_ns"`
	WorstScan  time.Duration    `json:"worst_scan_ns"`
}

func (g *Gate) status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Status{
		Version: g.version, Part: g.part, PID: os.Getpid(), Started: g.started,
		Inside: g.cfg.Ports.Inside, Outside: g.cfg.Ports.Outside, Attach: string(g.info.Mode), Adopted: g.info.Adopted,
		FailMode: g.cfg.FailMode, FloodMode: g.policy.FloodMode, Policy: g.policy.Version,
		Floods: g.det.Live(), Blocks: g.desk.Blocks(), Devices: g.loop.Devices, Flows: g.loop.Flows,
		Totals: g.totals, Coverage: g.coverage(), Scans: g.loop.Scans, Late: g.loop.Late,
		LastScan: g.loop.LastScan, WorstScan: g.loop.WorstFor,
	}
	if g.inspection != nil {
		i := g.inspection.Status()
		s.Inspection = &i
	}
	if c := &g.contacts; c.book != nil {
		s.Contacts = &ContactsStatus{Every: c.conf.Interval, Told: c.told}
	}
	if g.link != nil {
		l := g.link.Status()
		s.Link = &l
	}
	return s
}

// SocketPath is where a gate with the given state folder answers status.
func SocketPath(state string) string { return filepath.Join(state, "status.sock") }

// serveStatus writes the status as JSON to whoever connects to the socket.
func (g *Gate) serveStatus(ctx context.Context) error {
	path := SocketPath(g.cfg.State)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		g.answer(c)
	}
}

func (g *Gate) answer(c net.Conn) {
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return
	}
	if err := json.NewEncoder(c).Encode(g.status()); err != nil {
		g.log.Debug("status not written", "error", err)
	}
}

// AskStatus asks the gate that runs with the given state folder.
func AskStatus(ctx context.Context, state string) (Status, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", SocketPath(state))
	if err != nil {
		return Status{}, fmt.Errorf("no gate answers with state folder %s: %w", state, err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return Status{}, err
	}
	var s Status
	if err := json.NewDecoder(c).Decode(&s); err != nil {
		return Status{}, fmt.Errorf("status of the gate with state folder %s: %w", state, err)
	}
	return s, nil
}
