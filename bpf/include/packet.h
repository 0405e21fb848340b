/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a frame says, read once. */
#ifndef MASUGATA_PACKET_H
#define MASUGATA_PACKET_H

#include "layout.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MAX_TAGS 2
#define MAX_EXTENSIONS 8

#define ETH_IPV4 0x0800
#define ETH_IPV6 0x86DD
#define ETH_VLAN 0x8100
#define ETH_QINQ 0x88A8
#define ETH_QINQ_OLD 0x9100

#define PROTO_HOPOPTS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AH 51
#define PROTO_ICMP6 58
#define PROTO_DSTOPTS 60
#define PROTO_SCTP 132
#define PROTO_MOBILITY 135
#define PROTO_UDPLITE 136

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

struct packet {
	__u64 src_mac; /* device key of the sender */
	__u64 dst_mac; /* device key of the receiver */
	struct addr src;
	struct addr dst;
	__u32 len; /* IP total length; else what follows the Ethernet header and tags */
	__u16 sport;
	__u16 dport;
	__u8 family; /* 4, 6, or 0 for what is not IP */
	__u8 proto;
	__u8 flags;
	bool l4;	 /* ports and flags were there to read */
	bool bare_ack;	 /* TCP: ACK, no SYN, FIN, RST, no payload */
	bool http;	 /* TCP payload begins with an HTTP/1 method */
	bool dns;	 /* question to port 53 */
	bool discovery; /* ICMPv6 neighbour discovery */
};

struct eth {
	__u8 dst[6];
	__u8 src[6];
	__be16 type;
} __attribute__((packed));

struct ip4 {
	__u8 ver_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag;
	__u8 ttl;
	__u8 proto;
	__be16 sum;
	__u8 addrs[8];
} __attribute__((packed));

struct ip6 {
	__be32 ver;
	__be16 len;
	__u8 next;
	__u8 hops;
	__u64 src[2];
	__u64 dst[2];
} __attribute__((packed));

struct tcp {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 off;
	__u8 flags;
	__be16 window;
	__be16 sum;
	__be16 urg;
} __attribute__((packed));

#define LOAD(type, p) (((const struct { type v; } __attribute__((packed)) *)(p))->v)

static __always_inline __u64 device_key(const __u8 *mac, __u16 vlan)
{
	return LOAD(__u32, mac) | (__u64)LOAD(__u16, mac + 4) << 32 | (__u64)vlan << 48;
}

static __always_inline __u64 mapped4(__u32 be)
{
	return 0xffff0000ULL | (__u64)be << 32;
}

static __always_inline bool http_method(__u32 w)
{
	switch (bpf_ntohl(w)) {
	case 0x47455420: /* "GET " */
	case 0x504f5354: /* POST */
	case 0x48454144: /* HEAD */
	case 0x50555420: /* "PUT " */
	case 0x44454c45: /* DELE */
	case 0x4f505449: /* OPTI */
	case 0x50415443: /* PATC */
	case 0x434f4e4e: /* CONN */
	case 0x54524143: /* TRAC */
		return true;
	}
	return false;
}

/* Reads the TCP header at l4; rest is what the IP length leaves for it. */
static __always_inline bool read_tcp(struct packet *p, void *l4, __u32 rest, bool whole, void *end)
{
	struct tcp *t = l4;
	if ((void *)(t + 1) > end || rest < sizeof(*t))
		return false;
	__u32 header = (t->off >> 4) * 4;
	if (header < sizeof(*t) || (header > rest && whole))
		return false;
	p->sport = bpf_ntohs(t->sport);
	p->dport = bpf_ntohs(t->dport);
	p->flags = t->flags;
	p->l4 = true;
	if (header >= rest) {
		p->bare_ack = whole && (t->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK;
		return true;
	}
	__u32 payload = rest - header;
	void *data = l4 + header;
	if (payload >= 5 && data + 5 <= end) {
		if (p->dport == 53)
			p->dns = !(LOAD(__u8, data + 4) & 0x80);
		else
			p->http = http_method(LOAD(__u32, data));
	}
	return true;
}

static __always_inline bool read_udp(struct packet *p, void *l4, __u32 rest, void *end)
{
	if (l4 + 8 > end || rest < 8)
		return false;
	p->sport = bpf_ntohs(LOAD(__be16, l4));
	p->dport = bpf_ntohs(LOAD(__be16, l4 + 2));
	p->l4 = true;
	if (p->dport == 53 && rest >= 12 && l4 + 12 <= end)
		p->dns = !(LOAD(__u8, l4 + 10) & 0x80);
	return true;
}

static __always_inline bool read_other(struct packet *p, void *l4, __u32 rest, void *end)
{
	switch (p->proto) {
	case PROTO_ICMP6:
	case PROTO_ICMP:
		if (l4 + 4 > end || rest < 4)
			return false;
		__u8 type = LOAD(__u8, l4);
		p->discovery = p->proto == PROTO_ICMP6 && p->family == 6 && type >= 133 && type <= 137;
		p->l4 = true;
		return true;
	case PROTO_SCTP:
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		if (l4 + 8 > end || rest < 8)
			return false;
		p->sport = bpf_ntohs(LOAD(__be16, l4));
		p->dport = bpf_ntohs(LOAD(__be16, l4 + 2));
		p->l4 = true;
	}
	return true;
}

/* whole is false for first fragments. */
static __always_inline bool read_l4(struct packet *p, void *l4, __u32 rest, bool whole, void *end)
{
	if (p->proto == PROTO_UDP)
		return read_udp(p, l4, rest, end);
	if (p->proto == PROTO_TCP)
		return read_tcp(p, l4, rest, whole, end);
	return read_other(p, l4, rest, end);
}

static __always_inline bool read_ip4(struct packet *p, void *l3, void *end)
{
	struct ip4 *ip = l3;
	if ((void *)(ip + 1) > end || ip->ver_ihl >> 4 != 4)
		return false;
	__u32 header = (ip->ver_ihl & 15) * 4;
	__u32 len = bpf_ntohs(ip->len);
	if (header < sizeof(*ip) || len < header || l3 + len > end)
		return false;
	p->family = 4;
	p->proto = ip->proto;
	p->len = len;
	__u64 both = LOAD(__u64, ip->addrs); /* source in the low half */
	p->src.w[1] = mapped4((__u32)both);
	p->dst.w[1] = 0xffff0000ULL | (both & 0xffffffff00000000ULL);
	__u16 frag = bpf_ntohs(ip->frag);
	if (frag & 0x1fff)
		return true;
	return read_l4(p, l3 + header, len - header, !(frag & 0x2000), end);
}

static __always_inline bool is_extension(__u8 proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT || proto == PROTO_DSTOPTS ||
	       proto == PROTO_AH || proto == PROTO_MOBILITY;
}

static __always_inline bool read_ip6(struct packet *p, void *l3, void *end)
{
	struct ip6 *ip = l3;
	if ((void *)(ip + 1) > end || (LOAD(__u8, l3) >> 4) != 6)
		return false;
	__u32 payload = bpf_ntohs(ip->len);
	p->family = 6;
	p->len = payload + sizeof(*ip);
	p->src.w[0] = ip->src[0];
	p->src.w[1] = ip->src[1];
	p->dst.w[0] = ip->dst[0];
	p->dst.w[1] = ip->dst[1];
	if (l3 + p->len > end)
		return false;
	__u8 proto = ip->next;
	__u32 off = sizeof(*ip);
	bool whole = true;
	if (is_extension(proto)) {
		for (int i = 0; i < MAX_EXTENSIONS; i++) {
			if (!is_extension(proto))
				break;
			void *h = l3 + (off & 0xfff);
			if (h + 8 > end || off + 8 > p->len)
				return false;
			__u8 next = LOAD(__u8, h);
			__u32 size = (LOAD(__u8, h + 1) + 1) * 8;
			if (proto == PROTO_AH)
				size = (LOAD(__u8, h + 1) + 2) * 4;
			if (proto == PROTO_FRAGMENT) {
				size = 8;
				__u16 frag = bpf_ntohs(LOAD(__be16, h + 2));
				if (frag & 0xfff8) { /* not the first */
					p->proto = next;
					return true;
				}
				whole = !(frag & 1);
			}
			proto = next;
			off += size;
			if (off > p->len || off > 0xfff)
				return false;
		}
	}
	p->proto = proto;
	if (is_extension(proto)) /* more of them than we follow */
		return true;
	return read_l4(p, l3 + (off & 0xfff), p->len - off, whole, end);
}

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_VLAN) || type == bpf_htons(ETH_QINQ) || type == bpf_htons(ETH_QINQ_OLD);
}

/* Reads the frame into p, which must be zero. False: the frame is too short
 * or broken for its headers. */
static __always_inline bool read_packet(struct packet *p, void *data, void *end)
{
	struct eth *eth = data;
	if ((void *)(eth + 1) > end)
		return false;
	__be16 type = eth->type;
	void *l3 = eth + 1;
	__u16 vlan = 0;
	if (is_tag(type)) {
		for (int i = 0; i < MAX_TAGS; i++) {
			if (!is_tag(type))
				break;
			if (l3 + 4 > end)
				return false;
			if (i == 0)
				vlan = bpf_ntohs(LOAD(__be16, l3)) & 0xfff;
			type = LOAD(__be16, l3 + 2);
			l3 += 4;
		}
	}
	p->src_mac = device_key(eth->src, vlan);
	p->dst_mac = device_key(eth->dst, vlan);
	if (type == bpf_htons(ETH_IPV4))
		return read_ip4(p, l3, end);
	if (type == bpf_htons(ETH_IPV6))
		return read_ip6(p, l3, end);
	p->len = end - l3;
	return true;
}

static __always_inline enum class classify(const struct packet *p, bool spoofed)
{
	if (spoofed)
		return CLASS_SPOOFED;
	if (p->proto == PROTO_UDP && p->family)
		return p->dport == 53 ? CLASS_DNS : CLASS_UDP;
	if (p->proto == PROTO_TCP && p->family) {
		if ((p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
			return CLASS_SYN;
		return p->bare_ack ? CLASS_ACK : CLASS_TCP;
	}
	if ((p->proto == PROTO_ICMP && p->family == 4) || (p->proto == PROTO_ICMP6 && p->family == 6 && !p->discovery))
		return CLASS_ICMP;
	return CLASS_OTHER;
}

#endif
