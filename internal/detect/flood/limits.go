package flood

import "github.com/masugata/masugata/internal/model"

// kind is what a judged quantity of traffic would be called.
type kind uint8

const (
	kindUDP  kind = iota // UDP and other protocols without answers in proportion
	kindSYN              // connection attempts that nobody completes
	kindACK              // TCP outside any connection
	kindICMP             // ICMP and ICMPv6
	kindDNS              // DNS queries without answers
	kindHTTP             // HTTP requests
	numKinds = iota
)

var vectors = [numKinds]model.Vector{model.VectorUDP, model.VectorSYN, model.VectorACK,
	model.VectorICMP, model.VectorDNS, model.VectorHTTP}

// classOf is the device counter that a kind's packets are in.
var classOf = [numKinds]Class{ClassUDP, ClassSYN, ClassACK, ClassICMP, ClassDNS, ClassTCP}

// limit is two rates in packets (or requests) a second. From floor upward
// traffic is a flood when nothing excuses it: answers, what the device
// normally does, the look of a media stream. From ceiling upward nothing but
// answers excuses it.
type limit struct{ floor, ceiling float32 }

// limits are those of one device.
type limits struct {
	kinds   [numKinds]limit
	spoofed limit
}

// The built-in limits. Floors stand above what honest home devices do to one
// destination without an answer and below the slowest flood worth sending;
// they are for two scans in a row:
//
//	udp      cameras send 300 to 1,700 pps of RTP one-sidedly, but with sizes
//	         of a media stream and a word from the far side (see mediaFactor)
//	syn      a speed test opens up to 128 connections in one burst, a browser
//	         30; both are answered, and not sustained over scans
//	ack      a download sends thousands of bare ACKs but gets data for them;
//	         without data a few keep-alives a second remain
//	icmp     monitoring and traceroute stay under 100 pps
//	dns      a browser asks up to a few hundred names in a second and gets
//	         answers; unanswered ones are repeated slowly
//	http     pages, players and package managers ask below 200 a second
//	spoofed  nothing honest; a misconfigured device sends a few pps
func builtin() limits {
	var l limits
	l.kinds[kindUDP] = limit{700, 6000}
	l.kinds[kindSYN] = limit{300, 1500}
	l.kinds[kindACK] = limit{400, 2000}
	l.kinds[kindICMP] = limit{200, 1000}
	l.kinds[kindDNS] = limit{250, 1000}
	l.kinds[kindHTTP] = limit{400, 1500}
	l.spoofed = limit{100, 500}
	return l
}

const (
	// spread multiplies floors for traffic without a common target: torrents
	// and game browsers touch thousands of hosts.
	spread = 4
	// mediaFactor multiplies the UDP floor for a destination whose flooded
	// port answered lately, and for a media stream whose destination showed a
	// sign of life (any answer over UDP, or data over TCP), or whose device is
	// not known yet.
	mediaFactor = 4
	// joinFactor multiplies floors for a target that another device, or this
	// one, is flooding already.
	joinFactor = 0.25
	// newResolver is the rate of answered DNS queries, in multiples of the
	// DNS floor, from which a resolver that was never used before is a target.
	newResolver = 2.8
	// connectFactor is the rate of completed connections, and of answered DNS
	// queries to a known resolver, in multiples of the ceiling.
	connectFactor = 1.5
	dnsFactor     = 3
)

func (l limits) with(o model.FloodLimits) limits {
	raise := func(at *limit, v uint32) {
		if v == 0 {
			return
		}
		top := float32(v)
		if top > at.ceiling {
			at.floor *= top / at.ceiling
		}
		at.ceiling = top
		at.floor = min(at.floor, top)
	}
	for k, v := range [numKinds]uint32{o.UDP, o.SYN, o.ACK, o.ICMP, o.DNS, o.HTTP} {
		raise(&l.kinds[k], v)
	}
	raise(&l.spoofed, o.Spoofed)
	return l
}

type limitTable struct {
	all limits
	own map[Device]limits
}

func (t *limitTable) set(all model.FloodLimits, own map[Device]model.FloodLimits) {
	t.all = builtin().with(all)
	t.own = make(map[Device]limits, len(own))
	for d, o := range own {
		t.own[d] = t.all.with(o)
	}
}

func (t *limitTable) of(d Device) limits {
	if l, ok := t.own[d]; ok {
		return l
	}
	return t.all
}
