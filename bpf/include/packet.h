/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a frame says, read once. */
#ifndef MASUGATA_PACKET_H
#define MASUGATA_PACKET_H

#include "maps.h"
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

/* packet.traits: the TCP flags in the low byte, and these. */
#define TRAIT_L4 0x100	       /* ports and flags were there to read */
#define TRAIT_BARE_ACK 0x200   /* TCP: ACK, no SYN, FIN, RST, no payload */
#define TRAIT_HTTP 0x400       /* TCP payload begins with an HTTP/1 method */
#define TRAIT_DNS 0x800	       /* question to port 53 */
#define TRAIT_DISCOVERY 0x1000 /* ICMPv6 neighbour discovery */

/* Few fields, because each is a variable of the common path and that has few
 * registers. */
struct packet {
	__u64 device; /* key of the inside end: sender outward, receiver inward */
	struct addr src;
	struct addr dst;
	__u32 len;   /* IP total length; else what follows the Ethernet header and tags */
	__u32 ports; /* as in the packet, see source_port and destination_port */
	__u16 traits;
	__u8 proto;
	__u8 family; /* 4, 6, or 0 for what is not IP */
};

static __always_inline __u16 source_port(const struct packet *p)
{
	return bpf_ntohs((__u16)p->ports);
}

static __always_inline __u16 destination_port(const struct packet *p)
{
	return bpf_ntohs((__u16)(p->ports >> 16));
}

#define DNS_PORT bpf_htons(53)

struct eth {
	__u8 dst[6];
	__u8 src[6];
	__be16 type;
};

struct ip4 {
	__u8 ver_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag;
	__u8 ttl;
	__u8 proto;
	__be16 sum;
	__be32 src;
	__be32 dst;
};

struct ip6 {
	__be32 ver;
	__be16 len;
	__u8 next;
	__u8 hops;
	__be32 src[4];
	__be32 dst[4];
};

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
};

/* Drivers put the IP header on a multiple of four, so no load needs to be
 * taken apart; packed structs would be read byte by byte. */
#define LOAD(type, p) (*(const type *)(p))

static __always_inline __u64 device_key(const __u8 *mac, __u16 vlan)
{
	return LOAD(__u16, mac) | (__u64)LOAD(__u16, mac + 2) << 16 | (__u64)LOAD(__u16, mac + 4) << 32 | (__u64)vlan << 48;
}

static __always_inline __u64 two_words(const __be32 *w)
{
	return w[0] | (__u64)w[1] << 32;
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

/* What the payload of a TCP segment says of it. */
static __always_inline __u16 tcp_payload(__u32 ports, void *data, __u32 payload, void *end)
{
	if (payload < 5 || data + 5 > end)
		return 0;
	if (ports >> 16 == DNS_PORT)
		return LOAD(__u8, data + 4) & 0x80 ? 0 : TRAIT_DNS;
	return http_method(LOAD(__u32, data)) ? TRAIT_HTTP : 0;
}

/* Reads the TCP header at l4; rest is what the IP length leaves for it. */
static __always_inline bool read_tcp(struct packet *p, void *l4, __u32 rest, bool whole, void *end)
{
	struct tcp *t = l4;
	if (unlikely((void *)(t + 1) > end || rest < sizeof(*t)))
		return false;
	__u32 header = (t->off >> 4) * 4, ports = LOAD(__u32, l4);
	if (unlikely(header < sizeof(*t) || (header > rest && whole)))
		return false;
	__u16 traits = t->flags | TRAIT_L4;
	if (header < rest)
		traits |= tcp_payload(ports, l4 + header, rest - header, end);
	else if (whole && (t->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK)
		traits |= TRAIT_BARE_ACK;
	p->ports = ports;
	p->traits = traits;
	return true;
}

static __always_inline bool read_udp(struct packet *p, void *l4, __u32 rest, void *end)
{
	if (unlikely(l4 + 8 > end || rest < 8))
		return false;
	__u32 ports = LOAD(__u32, l4);
	__u16 traits = TRAIT_L4;
	if (unlikely(ports >> 16 == DNS_PORT) && rest >= 12 && l4 + 12 <= end && !(LOAD(__u8, l4 + 10) & 0x80))
		traits |= TRAIT_DNS;
	p->ports = ports;
	p->traits = traits;
	return true;
}

static __always_inline bool read_icmp(struct packet *p, void *l4, __u32 rest, void *end)
{
	if (l4 + 4 > end || rest < 4)
		return false;
	__u8 type = LOAD(__u8, l4);
	bool discovery = p->proto == PROTO_ICMP6 && p->family == 6 && type >= 133 && type <= 137;
	p->traits = discovery ? TRAIT_L4 | TRAIT_DISCOVERY : TRAIT_L4;
	return true;
}

static __always_inline bool read_other(struct packet *p, void *l4, __u32 rest, void *end)
{
	switch (p->proto) {
	case PROTO_ICMP6:
	case PROTO_ICMP:
		return read_icmp(p, l4, rest, end);
	case PROTO_SCTP:
	case PROTO_DCCP:
	case PROTO_UDPLITE:
		if (l4 + 8 > end || rest < 8)
			return false;
		p->ports = LOAD(__u32, l4);
		p->traits = TRAIT_L4;
	}
	return true;
}

/* whole is false for first fragments. */
static __always_inline bool read_l4(struct packet *p, void *l4, __u32 rest, bool whole, void *end)
{
	if (likely(p->proto == PROTO_UDP))
		return read_udp(p, l4, rest, end);
	if (likely(p->proto == PROTO_TCP))
		return read_tcp(p, l4, rest, whole, end);
	return read_other(p, l4, rest, end);
}

static __always_inline bool read_ip4(struct packet *p, void *l3, void *end)
{
	struct ip4 *ip = l3;
	if (unlikely((void *)(ip + 1) > end || ip->ver_ihl >> 4 != 4))
		return false;
	__u32 header = (ip->ver_ihl & 15) * 4;
	__u32 len = bpf_ntohs(ip->len);
	if (unlikely(header < sizeof(*ip) || len < header || l3 + len > end))
		return false;
	p->family = 4;
	p->proto = ip->proto;
	p->len = len;
	p->src.w[1] = mapped4(ip->src);
	p->dst.w[1] = mapped4(ip->dst);
	__u16 frag = bpf_ntohs(ip->frag);
	if (unlikely(frag & 0x1fff))
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
	p->src.w[0] = two_words(ip->src);
	p->src.w[1] = two_words(ip->src + 2);
	p->dst.w[0] = two_words(ip->dst);
	p->dst.w[1] = two_words(ip->dst + 2);
	if (l3 + p->len > end)
		return false;
	__u8 proto = ip->next;
	__u32 off = sizeof(*ip);
	bool whole = true;
	if (unlikely(is_extension(proto))) {
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

/* Reads the frame into p, which must be zero. outward: the device is the
 * sender. False: the frame is too short or broken for its headers. */
static __always_inline bool read_packet(struct packet *p, bool outward, void *data, void *end)
{
	struct eth *eth = data;
	if ((void *)(eth + 1) > end)
		return false;
	__be16 type = eth->type;
	void *l3 = eth + 1;
	__u16 vlan = 0;
	if (unlikely(is_tag(type))) {
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
	p->device = device_key(outward ? eth->src : eth->dst, vlan);
	if (likely(type == bpf_htons(ETH_IPV4)))
		return read_ip4(p, l3, end);
	if (type == bpf_htons(ETH_IPV6))
		return read_ip6(p, l3, end);
	p->len = end - l3;
	return true;
}

static __always_inline enum class classify_tcp(const struct packet *p)
{
	if ((p->traits & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return CLASS_SYN;
	return p->traits & TRAIT_BARE_ACK ? CLASS_ACK : CLASS_TCP;
}

static __always_inline enum class classify(const struct packet *p, bool spoofed)
{
	if (unlikely(spoofed))
		return CLASS_SPOOFED;
	if (likely(p->proto == PROTO_UDP && p->family))
		return p->ports >> 16 == DNS_PORT ? CLASS_DNS : CLASS_UDP;
	if (likely(p->proto == PROTO_TCP && p->family))
		return classify_tcp(p);
	if (p->proto == PROTO_ICMP && p->family == 4)
		return CLASS_ICMP;
	if (p->proto == PROTO_ICMP6 && p->family == 6 && !(p->traits & TRAIT_DISCOVERY))
		return CLASS_ICMP;
	return CLASS_OTHER;
}

#endif
