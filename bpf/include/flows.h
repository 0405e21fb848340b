/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The flow table: each CPU has its own sets of FLOW_WAYS entries; a new flow
 * takes the place of the one in its set that was quiet longest. Nothing is
 * enforced from here, so whatever floods the table only blurs the counts.
 */
#ifndef MASUGATA_FLOWS_H
#define MASUGATA_FLOWS_H

#include "maps.h"
#include "packet.h"

/* A flow that was seen within this time was still wanted when it was
 * evicted: counted in totals.flow_full. */
#define FLOW_IDLE 10000000000ULL

struct flow_id {
	__u64 device;
	struct addr dst;
	__u32 tail; /* as in struct flow */
};

static __always_inline __u32 flow_tail(__u16 port, __u8 proto, __u8 family)
{
	return port | (__u32)proto << 16 | (__u32)family << 24;
}

/* The upper bits of a product depend on all bits of its factors; only they
 * are used. */
static __always_inline __u64 flow_hash(const struct flow_id *id)
{
	__u64 a = (id->device ^ seed) * 0x9E3779B97F4A7C15ULL;
	__u64 b = (id->dst.w[1] ^ id->tail) * 0xD6E8FEB86659FD93ULL;
	__u64 h = a ^ a >> 32 ^ (b << 32 | b >> 32) ^ id->dst.w[0] * 0xA0761D6478BD642FULL;
	return h * 0xC2B2AE3D27D4EB4FULL;
}

/* One comparison, because the parts nearly always agree. */
static __always_inline bool same_flow(const struct flow *f, const struct flow_id *id)
{
	return !((f->device ^ id->device) | (f->dst.w[1] ^ id->dst.w[1]) | (f->dst.w[0] ^ id->dst.w[0]) | (f->tail ^ id->tail));
}

/* The number of the flow's set among those of all CPUs. */
static __always_inline __u32 flow_set_of(__u32 cpu, __u64 hash)
{
	return cpu * flow_sets + (hash >> 40 & (flow_sets - 1));
}

/* Where in its set a flow is looked for first. */
static __always_inline __u32 first_way(__u64 hash)
{
	return hash >> 37;
}

/* The way of the flow in the set, or -1. Ways are filled from the first on
 * and never freed, so a free one ends the search. */
static __always_inline int find_flow(const struct flow_set *set, const struct flow_id *id, __u64 hash)
{
	__u32 start = first_way(hash);
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u32 way = (start + i) & (FLOW_WAYS - 1);
		const struct flow *f = &set->way[way];
		if (likely(same_flow(f, id)))
			return f->last ? way : -1;
		if (!f->last)
			return -1;
	}
	return -1;
}

static __always_inline void fill_flow(struct flow *f, struct flow_more *m, const struct flow_id *id, __u64 now)
{
	/* Readers without a lock copy an entry, then look at last and the key
	 * again. */
	*(volatile __u64 *)&f->last = 0;
	f->device = id->device;
	f->dst.w[0] = id->dst.w[0];
	f->dst.w[1] = id->dst.w[1];
	f->tail = id->tail;
	f->clear = 0;
	f->len_min = 0xffff;
	f->len_max = 0;
	f->sport_min = 0xffff;
	f->sport_max = 0;
	f->packets = 0;
	f->bytes = 0;
	m->first = now;
	m->syn = 0;
	m->bare_ack = 0;
	m->http = 0;
	m->dns = 0;
	m->back_packets = 0;
	m->back_bytes = 0;
	m->flags_or = 0;
	m->flags_and = 0xff;
	*(volatile __u64 *)&f->last = now;
}

/* The way that a new flow gets. */
static __always_inline __u32 quietest_way(const struct flow_set *set, __u64 hash)
{
	__u32 start = first_way(hash), oldest = start & (FLOW_WAYS - 1);
	__u64 last = ~0ULL;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u32 way = (start + i) & (FLOW_WAYS - 1);
		if (set->way[way].last < last) {
			last = set->way[way].last;
			oldest = way;
		}
	}
	return oldest;
}

/* Makes an entry for the flow; gives its way, or -1. */
__noinline int start_flow(const struct flow_id *id, __u32 cpu, __u64 now)
{
	if (!id)
		return -1;
	__u64 h = flow_hash(id);
	__u32 n = flow_set_of(cpu, h);
	struct flow_set *set = bpf_map_lookup_elem(&flows, &n);
	struct flow_more_set *more = bpf_map_lookup_elem(&flow_more, &n);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	if (!set || !more || !t)
		return -1;
	__u32 way = quietest_way(set, h) & (FLOW_WAYS - 1);
	__u64 last = set->way[way].last;
	if (last && now - last < FLOW_IDLE)
		t->flow_full++;
	fill_flow(&set->way[way], &more->way[way], id, now);
	return way;
}

static __always_inline void count_tcp(struct flow_more *m, const struct packet *p)
{
	m->flags_or |= p->traits;
	m->flags_and &= p->traits;
	if ((p->traits & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		m->syn++;
	if (p->traits & TRAIT_BARE_ACK)
		m->bare_ack++;
	if (p->traits & TRAIT_HTTP)
		m->http++;
}

/* What only some packets touch. */
static __always_inline void count_more(__u32 set, __u32 way, const struct packet *p)
{
	struct flow_more_set *more = bpf_map_lookup_elem(&flow_more, &set);
	if (!more)
		return;
	struct flow_more *m = &more->way[way & (FLOW_WAYS - 1)];
	if (p->proto == PROTO_TCP)
		count_tcp(m, p);
	if (p->traits & TRAIT_DNS)
		m->dns++;
}

/* Counts an outward packet and gives its flow. */
static __always_inline struct flow *count_flow(const struct packet *p, __u32 cpu, __u64 now)
{
	struct flow_id id = {.device = p->device, .dst = p->dst, .tail = flow_tail(destination_port(p), p->proto, p->family)};
	__u64 h = flow_hash(&id);
	__u32 n = flow_set_of(cpu, h);
	struct flow_set *set = bpf_map_lookup_elem(&flows, &n);
	if (!set)
		return NULL;
	int way = find_flow(set, &id, h);
	if (unlikely(way < 0)) {
		struct flow_id copy = id; /* so that the common path keeps id in registers */
		way = start_flow(&copy, cpu, now);
		if (way < 0)
			return NULL;
	}
	struct flow *f = &set->way[way & (FLOW_WAYS - 1)];
	__u16 len = p->len > 0xffff ? 0xffff : p->len, port = source_port(p);
	f->packets++;
	f->bytes += p->len;
	f->last = now;
	if (unlikely(len < f->len_min))
		f->len_min = len;
	if (unlikely(len > f->len_max))
		f->len_max = len;
	if (unlikely(port < f->sport_min))
		f->sport_min = port;
	if (unlikely(port > f->sport_max))
		f->sport_max = port;
	if (p->proto == PROTO_TCP ? p->traits & TRAIT_L4 : p->traits & TRAIT_DNS)
		count_more(n, way, p);
	return f;
}

/* Whether another CPU counts the flow. */
__noinline int flow_elsewhere(const struct flow_id *id, __u32 cpu)
{
	if (!id)
		return false;
	__u64 h = flow_hash(id);
	for (__u32 c = 0; c < 128; c++) {
		if (c >= num_cpus)
			break;
		__u32 n = flow_set_of(c, h);
		struct flow_set *set = bpf_map_lookup_elem(&flows, &n);
		if (c != cpu && set && find_flow(set, id, h) >= 0)
			return true;
	}
	return false;
}

/* Counts an inward packet in the flow it answers, if there is one: inward
 * floods make no entries. */
static __always_inline void count_back(const struct packet *p, __u32 cpu, __u64 now)
{
	struct flow_id id = {.device = p->device, .dst = p->src, .tail = flow_tail(source_port(p), p->proto, p->family)};
	__u64 h = flow_hash(&id);
	__u32 n = flow_set_of(cpu, h);
	struct flow_set *set = bpf_map_lookup_elem(&flows, &n);
	struct flow_more_set *more = bpf_map_lookup_elem(&flow_more, &n);
	if (!set || !more)
		return;
	int way = find_flow(set, &id, h);
	if (unlikely(way < 0)) {
		struct flow_id copy = id;
		if (num_cpus < 2 || !flow_elsewhere(&copy, cpu))
			return;
		way = start_flow(&copy, cpu, now);
		if (way < 0)
			return;
	}
	set->way[way & (FLOW_WAYS - 1)].last = now;
	struct flow_more *m = &more->way[way & (FLOW_WAYS - 1)];
	m->back_packets++;
	m->back_bytes += p->len;
}

#endif
