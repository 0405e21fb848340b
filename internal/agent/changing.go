package agent

import (
	"context"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/masugata/masugata/internal/host/files"
	"github.com/masugata/masugata/internal/model"
)

// Bounds of file change events.
const (
	changeWindow = 2 * time.Second
	changesMost  = 16 // changes in one folder and window that are told one by one
)

// changing reports file changes.
type changing struct {
	submit func(*model.Event)
	device func() model.DeviceID
	names  *names

	mu     sync.Mutex
	bursts map[string]*burstOf // by folder
}

type burstOf struct {
	begun time.Time
	told  int
	rest  *model.Event // the changes beyond changesMost
}

// run reports until ctx ends, and then what it still holds back.
func (c *changing) run(ctx context.Context, w *files.Watcher) error {
	c.bursts = map[string]*burstOf{}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { c.closing(ctx) })
	err := w.Run(ctx, c.one)
	cancel()
	wg.Wait()
	c.close(time.Now().Add(changeWindow))
	return err
}

// closing ends windows in time, also when nothing changes any more.
func (c *changing) closing(ctx context.Context) {
	t := time.NewTicker(changeWindow)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			c.close(now)
		}
	}
}

func (c *changing) one(ch files.Change) {
	e := c.event(&ch)
	c.close(ch.Time)
	c.mu.Lock()
	defer c.mu.Unlock()
	folder := path.Dir(ch.Path)
	b := c.bursts[folder]
	if b == nil {
		b = &burstOf{begun: ch.Time}
		c.bursts[folder] = b
	}
	if b.told < changesMost {
		b.told++
		c.submit(e)
		return
	}
	if b.rest == nil {
		b.rest = e
		e.Subject = folder + "/"
		return
	}
	b.rest.Count++
	b.rest.Last = e.Last
	b.rest.Severity = max(b.rest.Severity, e.Severity)
	b.rest.Explanation = strconv.FormatUint(uint64(b.rest.Count), 10) + " more files changed in " + folder + " within a short time."
}

// close ends the windows that are over.
func (c *changing) close(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for folder, b := range c.bursts {
		if now.Sub(b.begun) < changeWindow {
			continue
		}
		if b.rest != nil {
			c.submit(b.rest)
		}
		delete(c.bursts, folder)
	}
}

func (c *changing) event(ch *files.Change) *model.Event {
	ev := &model.FileEvidence{Path: ch.Path, Change: ch.Kind, SHA256: ch.SHA256, Was: ch.Was, Size: ch.Size, PID: ch.PID}
	if ch.PID != 0 {
		ev.By = c.names.of(ch.PID)
	}
	e := &model.Event{ID: model.NewID(ch.Time), Time: ch.Time, Last: ch.Time, Device: c.device(), Layer: model.LayerDevice,
		Kind: model.KindFileChanged, Severity: weight(ch), Subject: ch.Path, Rule: "agent.file." + ch.Kind, Count: 1, File: ev,
		Technique: "T1565.001"}
	e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePath, Value: ch.Path})
	if ch.SHA256 != "" {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableSHA256, Value: ch.SHA256})
	}
	e.Explanation = ch.Path + " was " + words(ch.Kind)
	if ev.By != "" {
		e.Explanation += " by " + ev.By
	}
	if ch.Offline {
		e.Explanation += " while the agent was not running"
	}
	e.Explanation += "."
	if e.Severity >= model.SeverityMedium {
		e.Advice = "If this was not an update you made, compare the file with the maker's and restore it."
	}
	return e
}

func words(kind string) string {
	if kind == files.Attributes {
		return "given other permissions"
	}
	return kind
}

// weight is medium for programs and for what decides who gets in or what
// starts, low for the rest.
func weight(ch *files.Change) model.Severity {
	if ch.Mode&0o111 != 0 && ch.Mode&0xf000 == 0x8000 {
		return model.SeverityMedium
	}
	for _, p := range []string{"/bin/", "/sbin/", "/lib", "/usr/bin/", "/usr/sbin/", "/usr/lib", "/etc/init", "/etc/cron",
		"/etc/systemd/", "/etc/rc", "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers", "/etc/ssh/", "/etc/ld.so", "/etc/pam.d/", "/etc/inittab"} {
		if strings.HasPrefix(ch.Path, p) {
			return model.SeverityMedium
		}
	}
	return model.SeverityLow
}
