package inline

import (
	"net/netip"
	"time"

	"github.com/masugata/masugata/internal/datapath"
	"github.com/masugata/masugata/internal/inspect/flow"
	"github.com/masugata/masugata/internal/inspect/packet"
	"github.com/masugata/masugata/internal/inspect/protocol"
)

// Named is an address by the name that a device knows it by: what DNS answered
// it, or what it called the other end itself.
type Named struct {
	Device datapath.DeviceKey
	Addr   netip.Addr
	Name   string
}

const (
	// maxNames is how many names are kept until they are fetched.
	maxNames = 4096
	// longestName is the longest name that is one (RFC 1035).
	longestName = 253
	// sameName is for how long a name that comes again is no news.
	sameName = int64(10 * time.Minute)
)

// names gathers names. Those that were fetched stay for a while, so that what
// comes again costs nothing.
type names struct {
	on   bool
	list map[namedKey]knownName
	news []Named
}

type knownName struct {
	text string
	at   int64 // when it was news, in nanoseconds since 1970
}

type namedKey struct {
	device datapath.DeviceKey
	addr   netip.Addr
}

// NoteNames has names gathered, or not.
func (i *Inspection) NoteNames(on bool) {
	for _, w := range i.workers {
		w.sink.mu.Lock()
		w.sink.names = names{on: on}
		w.sink.mu.Unlock()
	}
}

// FetchNames gives the names that were met since the last call.
func (i *Inspection) FetchNames() (list []Named) {
	for _, w := range i.workers {
		w.sink.mu.Lock()
		list = append(list, w.sink.names.news...)
		w.sink.names.news = w.sink.names.news[:0]
		w.sink.mu.Unlock()
	}
	return list
}

// name notes whom a transaction names.
func (a *alerts) name(f *flow.Flow, app protocol.ID, tx protocol.Tx, d packet.Direction, p *packet.Packet) {
	if app == protocol.DNS {
		answer, ok := tx.(interface {
			Addresses(yield func(name []byte, addr netip.Addr) bool)
		})
		if ok && d == packet.ToClient {
			device := a.whose(p, f)
			answer.Addresses(func(name []byte, addr netip.Addr) bool {
				a.noteName(device, addr, name, p.Time)
				return true
			})
		}
		return
	}
	field := protocol.TLSSNI
	switch app {
	case protocol.TLS:
	case protocol.QUIC:
		field = protocol.QUICSNI
	case protocol.HTTP1, protocol.HTTP2:
		field = protocol.HTTPHost
	default:
		return
	}
	if name, ok := tx.Bytes(field, packet.ToServer, 0); ok {
		a.noteName(a.whose(p, f), netip.AddrFrom16(f.Server).Unmap(), name, p.Time)
	}
}

func (a *alerts) noteName(d datapath.DeviceKey, addr netip.Addr, name []byte, now int64) {
	if len(name) == 0 || len(name) > longestName || d == (datapath.DeviceKey{}) {
		return
	}
	k := namedKey{d, addr}
	a.mu.Lock()
	defer a.mu.Unlock()
	n := &a.names
	if known := n.list[k]; !n.on || known.text == string(name) && now-known.at < sameName || len(n.news) >= maxNames {
		return
	}
	if n.list == nil || len(n.list) >= maxNames {
		n.list = make(map[namedKey]knownName)
	}
	text := string(name)
	n.list[k] = knownName{text, now}
	n.news = append(n.news, Named{d, addr, text})
}
