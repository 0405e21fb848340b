package queue

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/masugata/masugata/internal/host/tap"
)

// table is the name of the tables that hold the rules.
const table = "masugata-agent"

// Messages and attributes of linux/netfilter/nf_tables.h.
const (
	tables     = unix.NFNL_SUBSYS_NFTABLES << 8
	batchBegin = 0x10
	batchEnd   = 0x11

	created = unix.NLM_F_REQUEST | unix.NLM_F_CREATE | unix.NLM_F_APPEND

	register      = 1 // NFT_REG_1
	opEqual       = 0
	opNot         = 1
	opAtMost      = 3
	opFrom        = 5
	metaIn        = 4
	metaOut       = 5
	metaTransport = 16
	transportBase = 2
	loopback      = 1 // the index that lo always has
)

// rules are the nf_tables rules that send packets to the queue. The tables
// belong to the socket where the kernel knows that (5.12), and go with it.
type rules struct {
	fd     int
	out    message
	owned  bool
	compat bool // NFQUEUE of iptables in place of nft_queue
	there  bool
}

func openRules() (*rules, error) {
	fd, err := socket()
	return &rules{fd: fd, owned: true}, err
}

// set replaces all rules at once. What the kernel lacks is tried without.
func (r *rules) set(want *tap.Filter) error {
	err := r.try(want)
	for _, change := range []func(){func() { r.compat = true }, func() { r.owned = false }, func() { r.compat = false }} {
		if err == nil || r.there {
			break
		}
		change()
		err = r.try(want)
	}
	r.there = r.there || err == nil
	return err
}

func (r *rules) try(want *tap.Filter) error {
	m := &r.out
	m.begin(batchBegin, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	for _, family := range [...]uint8{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
		flags := uint32(0)
		if r.owned {
			flags = 2 // NFT_TABLE_F_OWNER
		}
		fresh := func() {
			m.more(tables|unix.NFT_MSG_NEWTABLE, unix.NLM_F_REQUEST|unix.NLM_F_CREATE, family, 0)
			m.text(unix.NFTA_TABLE_NAME, table)
			m.number(unix.NFTA_TABLE_FLAGS, flags)
		}
		fresh() // so that there is one to delete
		m.more(tables|unix.NFT_MSG_DELTABLE, unix.NLM_F_REQUEST, family, 0)
		m.text(unix.NFTA_TABLE_NAME, table)
		fresh()
		r.chain(family, "input", unix.NF_INET_LOCAL_IN, metaIn, want)
		r.chain(family, "output", unix.NF_INET_LOCAL_OUT, metaOut, want)
	}
	return r.send()
}

// send ends the batch and gives it to the kernel. What it says of the last
// message comes behind what it says of errors before.
func (r *rules) send() error {
	r.out.acknowledge()
	r.out.more(batchEnd, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	return exchange(r.fd, r.out.end())
}

func (r *rules) chain(family uint8, name string, hook, device uint32, want *tap.Filter) {
	m := &r.out
	m.more(tables|unix.NFT_MSG_NEWCHAIN, unix.NLM_F_REQUEST|unix.NLM_F_CREATE, family, 0)
	m.text(unix.NFTA_CHAIN_TABLE, table)
	m.text(unix.NFTA_CHAIN_NAME, name)
	m.nest(unix.NFTA_CHAIN_HOOK)
	m.number(unix.NFTA_HOOK_HOOKNUM, hook)
	m.number(unix.NFTA_HOOK_PRIORITY, 0)
	m.unnest()
	m.text(unix.NFTA_CHAIN_TYPE, "filter")
	rule := func(match func()) {
		m.more(tables|unix.NFT_MSG_NEWRULE, created, family, 0)
		m.text(unix.NFTA_RULE_TABLE, table)
		m.text(unix.NFTA_RULE_CHAIN, name)
		m.nest(unix.NFTA_RULE_EXPRESSIONS)
		r.meta(device)
		r.compare(opNot, binary.NativeEndian.AppendUint32(nil, loopback))
		r.meta(metaTransport)
		match()
		r.ask()
		m.unnest()
	}
	for _, t := range []struct {
		proto byte
		ports []tap.Ports
	}{{unix.IPPROTO_TCP, want.TCP}, {unix.IPPROTO_UDP, want.UDP}} {
		for _, p := range t.ports {
			if p == (tap.Ports{Low: 0, High: 65535}) {
				rule(func() { r.compare(opEqual, []byte{t.proto}) })
				continue
			}
			for _, offset := range [...]uint32{0, 2} {
				rule(func() {
					r.compare(opEqual, []byte{t.proto})
					r.port(offset)
					r.compare(opFrom, binary.BigEndian.AppendUint16(nil, p.Low))
					r.compare(opAtMost, binary.BigEndian.AppendUint16(nil, p.High))
				})
			}
		}
	}
	if want.Other {
		rule(func() {
			r.compare(opNot, []byte{unix.IPPROTO_TCP})
			r.compare(opNot, []byte{unix.IPPROTO_UDP})
		})
	}
}

// expression adds one to a rule; attrs adds its attributes.
func (r *rules) expression(name string, attrs func(m *message)) {
	m := &r.out
	m.nest(unix.NFTA_LIST_ELEM)
	m.text(unix.NFTA_EXPR_NAME, name)
	m.nest(unix.NFTA_EXPR_DATA)
	attrs(m)
	m.unnest()
	m.unnest()
}

func (r *rules) meta(key uint32) {
	r.expression("meta", func(m *message) {
		m.number(unix.NFTA_META_DREG, register)
		m.number(unix.NFTA_META_KEY, key)
	})
}

func (r *rules) port(offset uint32) {
	r.expression("payload", func(m *message) {
		m.number(unix.NFTA_PAYLOAD_DREG, register)
		m.number(unix.NFTA_PAYLOAD_BASE, transportBase)
		m.number(unix.NFTA_PAYLOAD_OFFSET, offset)
		m.number(unix.NFTA_PAYLOAD_LEN, 2)
	})
}

func (r *rules) compare(op uint32, with []byte) {
	r.expression("cmp", func(m *message) {
		m.number(unix.NFTA_CMP_SREG, register)
		m.number(unix.NFTA_CMP_OP, op)
		m.nest(unix.NFTA_CMP_DATA)
		m.attr(unix.NFTA_DATA_VALUE, with)
		m.unnest()
	})
}

// ask sends the packet to the queue, and lets it pass when nobody listens.
func (r *rules) ask() {
	if !r.compat {
		r.expression("queue", func(m *message) {
			m.attr(unix.NFTA_QUEUE_NUM, binary.BigEndian.AppendUint16(nil, number))
			m.attr(unix.NFTA_QUEUE_TOTAL, binary.BigEndian.AppendUint16(nil, 1))
			m.attr(unix.NFTA_QUEUE_FLAGS, binary.BigEndian.AppendUint16(nil, 1)) // bypass
		})
		return
	}
	r.expression("target", func(m *message) {
		ne := binary.NativeEndian
		m.text(1, "NFQUEUE") // NFTA_TARGET_NAME, _REV, _INFO: struct xt_NFQ_info_v3
		m.number(2, 3)
		m.attr(3, ne.AppendUint16(ne.AppendUint16(ne.AppendUint16(nil, number), 1), 1))
	})
}

// close takes the rules away.
func (r *rules) close() error {
	var err error
	if r.there {
		m := &r.out
		m.begin(batchBegin, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
		for _, family := range [...]uint8{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
			m.more(tables|unix.NFT_MSG_DELTABLE, unix.NLM_F_REQUEST, family, 0)
			m.text(unix.NFTA_TABLE_NAME, table)
		}
		err = r.send()
	}
	return errors.Join(err, unix.Close(r.fd))
}
