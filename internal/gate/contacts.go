package gate

import (
	"fmt"
	"strconv"
	"time"

	"github.com/masugata/masugata/internal/configfile"
	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/gate/contact"
	"github.com/masugata/masugata/internal/intel/reputation/canon"
	"github.com/masugata/masugata/internal/model"
)

// ContactsConfig says whether the control plane is told whom devices speak
// with, so that it can look back when something turns out to be bad.
type ContactsConfig struct {
	Enabled  bool          `yaml:"enabled"`
	Interval time.Duration `yaml:"interval"` // how long a device's contacts are summed up before they are told
	Most     int           `yaml:"most"`     // of a device in an interval
}

func (c *ContactsConfig) check(f *configfile.File) {
	f.Check(c.Interval >= time.Minute && c.Interval <= 24*time.Hour, "contacts.interval", "%v: want 1m to 24h", c.Interval)
	f.Check(c.Most >= 1 && c.Most <= 1000, "contacts.most", "%d: want 1 to 1000", c.Most)
}

// ContactsStatus says how far contacts were told.
type ContactsStatus struct {
	Every time.Duration `json:"every_ns"`
	Told  uint64        `json:"told"` // since the start
}

// Rules of contact events.
const (
	ruleContactOut  = "contact.out"  // the device began
	ruleContactIn   = "contact.in"   // the remote end did
	ruleContactMore = "contact.more" // there were more than are told
)

// contactEvery is how often the flow counters are read for contacts: what lasts
// shorter is in the table for longer.
const contactEvery = 10 * time.Second

// contacts is the book of contacts. Gate.mu guards it.
type contacts struct {
	conf   ContactsConfig
	book   *contact.Book // nil: nobody wants to know
	read   time.Time     // when the counters were last read for it
	listen bool          // the counters that are read now are for it, too
	named  bool          // the inspection gathers names
	told   uint64
}

// configureContacts begins, ends or changes the book. Call it with mu held.
func (g *Gate) configureContacts(now time.Time) {
	c, conf := &g.contacts, g.cfg.Contacts
	if conf.Enabled = conf.Enabled && g.link != nil; c.conf == conf && (c.book != nil) == conf.Enabled {
		return
	}
	old := c.book
	c.conf, c.book = conf, nil
	if conf.Enabled {
		c.book = contact.New(contact.Config{Interval: conf.Interval, Most: conf.Most, Devices: g.cfg.Ports.Devices, Began: now})
		if old != nil {
			g.submitContacts(old.All(), now)
		}
	}
}

// beginContacts says whether the flow counters are to be read for contacts now.
// Call it with mu held.
func (g *Gate) beginContacts(now time.Time) {
	g.configureContacts(now)
	c := &g.contacts
	if wanted := c.book != nil; c.named != wanted && g.inspection != nil {
		c.named = wanted
		g.inspection.NoteNames(wanted)
	}
	if c.listen = c.book != nil && now.Sub(c.read) >= min(contactEvery, c.conf.Interval/2); !c.listen {
		return
	}
	c.read = now
	if g.inspection == nil {
		return
	}
	for _, n := range g.inspection.FetchNames() {
		if !g.tellsOf(n.Device) {
			continue
		}
		if name, err := canon.Domain(n.Name); err == nil { // neither an address nor a word of the home network
			c.book.Name(n.Device, n.Addr, name.Text, now)
		}
	}
}

// tellContacts tells the contacts of devices whose interval is over. Call it
// with mu held.
func (g *Gate) tellContacts(now time.Time) {
	c := &g.contacts
	if !c.listen {
		return
	}
	c.listen = false
	g.submitContacts(c.book.Round(now), now)
}

// lastContacts tells what is not told yet, when the gate stops. Call it with mu
// held.
func (g *Gate) lastContacts() {
	if g.contacts.book != nil {
		g.submitContacts(g.contacts.book.All(), time.Now())
	}
}

func (g *Gate) submitContacts(all []contact.Told, now time.Time) {
	for i := range all {
		if !g.tellsOf(all[i].Device) {
			continue // since the policy changed
		}
		g.contacts.told += uint64(len(all[i].Contacts))
		for j := range all[i].Contacts {
			g.submit(contactEvent(&all[i].Contacts[j]))
		}
		if more := all[i].More; more > 0 {
			d := deviceName(all[i].Device)
			g.submit(&model.Event{ID: model.NewID(now), Time: now, Last: now, Device: d, Layer: model.LayerNetwork, Kind: model.KindContact,
				Rule: ruleContactMore, Subject: "more contacts", Count: uint32(more),
				Explanation: fmt.Sprintf("%s spoke with at least %d more than are told one by one (contacts.most of the gate's configuration).", d, more)})
		}
	}
}

// contactEvent is the event of a contact. Its observables are the same each
// time, so that they can be counted together.
func contactEvent(c *contact.Contact) *model.Event {
	e := &model.Event{
		ID: model.NewID(c.First), Time: c.First, Last: c.Last, Device: deviceName(c.Device), Layer: model.LayerNetwork,
		Kind: model.KindContact, Subject: c.Addr.String(), Rule: ruleContactOut, Count: c.Flows,
	}
	who := e.Subject
	if c.Name != "" {
		e.Subject, who = c.Name, fmt.Sprintf("%s (%v)", c.Name, c.Addr)
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableDomain, Value: c.Name})
	}
	e.Observables = append(e.Observables, model.Observable{Type: model.ObservableIP, Value: c.Addr.String()})
	proto := spokenOf("", c.Proto)
	if proto == "" {
		proto = strconv.Itoa(int(c.Proto))
	}
	at := proto
	if c.Port != 0 {
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservablePort, Value: strconv.Itoa(int(c.Port))})
		at = fmt.Sprintf("%s port %d", proto, c.Port)
	}
	e.Observables = append(e.Observables, model.Observable{Type: model.ObservableProto, Value: proto})
	did := "spoke with"
	switch {
	case c.Inbound:
		e.Observables = append(e.Observables, model.Observable{Type: model.ObservableClass, Value: model.ClassInbound})
		e.Rule, did = ruleContactIn, "was spoken to by"
	case !c.Answered:
		did = "got no answer from"
	}
	times := "once"
	if c.Flows > 1 {
		times = fmt.Sprintf("%d times", c.Flows)
	}
	e.Explanation = fmt.Sprintf("%s %s %s at %s %s: %d bytes sent, %d received.", e.Device, did, who, at, times, c.Sent, c.Got)
	return e
}

// takeContact hands a flow counter to the book. Call it with mu held.
func (g *Gate) takeContact(c *datapath.FlowCounter) {
	if g.contacts.listen && g.tellsOf(c.Device) {
		g.contacts.book.Flow(c)
	}
}

// tellsOf says whether the policy lets whom a device speaks with be told. Call
// it with mu held.
func (g *Gate) tellsOf(d datapath.DeviceKey) bool {
	if len(g.policy.ContactsDevices) == 0 {
		return g.policy.Contacts != model.ModeOff
	}
	return g.policy.TellsContacts(deviceName(d))
}
