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
	__u16 dport;
	__u8 proto;
	__u8 family;
};

static __always_inline __u64 flow_hash(const struct flow_id *id)
{
	__u64 tail = id->dport | (__u64)id->proto << 16;
	__u64 h = (id->device ^ seed) * 0x9E3779B97F4A7C15ULL;
	h ^= (id->dst.w[1] ^ h >> 32) * 0xD6E8FEB86659FD93ULL;
	h ^= (id->dst.w[0] ^ tail << 24 ^ h >> 32) * 0xC2B2AE3D27D4EB4FULL;
	return h ^ h >> 32;
}

static __always_inline bool same_flow(const struct flow *f, const struct flow_id *id)
{
	return f->device == id->device && f->dst.w[1] == id->dst.w[1] && f->dst.w[0] == id->dst.w[0] &&
	       f->dport == id->dport && f->proto == id->proto && f->family == id->family;
}

static __always_inline struct flow_set *flow_set_of(__u32 cpu, __u64 hash)
{
	__u32 i = cpu * flow_sets + ((__u32)hash & (flow_sets - 1));
	return bpf_map_lookup_elem(&flows, &i);
}

/* The entry of the flow in the set, or NULL. Entries are never freed one by
 * one, so a free one ends the search. */
static __always_inline struct flow *find_flow(struct flow_set *set, const struct flow_id *id, __u64 hash)
{
	__u32 start = hash >> 62;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		struct flow *f = &set->way[(start + i) & (FLOW_WAYS - 1)];
		if (same_flow(f, id) && f->last)
			return f;
	}
	return NULL;
}

/* Makes an entry for the flow. Readers without a lock copy an entry, then
 * look at last and the key again. */
static __always_inline struct flow *make_flow(struct flow_set *set, const struct flow_id *id, __u64 hash, __u64 now,
					      struct totals *t)
{
	__u32 start = hash >> 62, oldest = start & (FLOW_WAYS - 1);
	__u64 last = ~0ULL;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u32 w = (start + i) & (FLOW_WAYS - 1);
		if (set->way[w].last < last) {
			last = set->way[w].last;
			oldest = w;
		}
	}
	if (last && now - last < FLOW_IDLE)
		t->flow_full++;
	struct flow *f = &set->way[oldest & (FLOW_WAYS - 1)];
	*(volatile __u64 *)&f->last = 0;
	f->device = id->device;
	f->dst.w[0] = id->dst.w[0];
	f->dst.w[1] = id->dst.w[1];
	f->dport = id->dport;
	f->proto = id->proto;
	f->family = id->family;
	f->flags_or = 0;
	f->flags_and = 0xff;
	f->len_min = 0xffff;
	f->len_max = 0;
	f->sport_min = 0xffff;
	f->sport_max = 0;
	f->packets = 0;
	f->bytes = 0;
	f->first = now;
	f->syn = 0;
	f->bare_ack = 0;
	f->http = 0;
	f->dns = 0;
	f->back_packets = 0;
	f->back_bytes = 0;
	*(volatile __u64 *)&f->last = now;
	return f;
}

__noinline int start_flow(const struct flow_id *id, __u32 cpu, __u64 now)
{
	if (!id)
		return 0;
	__u64 h = flow_hash(id);
	struct flow_set *set = flow_set_of(cpu, h);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	if (set && t)
		make_flow(set, id, h, now, t);
	return 0;
}

static __always_inline struct flow *flow_of(const struct flow_id *id, __u32 cpu, __u64 now)
{
	__u64 h = flow_hash(id);
	struct flow_set *set = flow_set_of(cpu, h);
	if (!set)
		return NULL;
	struct flow *f = find_flow(set, id, h);
	if (f)
		return f;
	struct flow_id copy = *id;
	start_flow(&copy, cpu, now);
	return find_flow(set, id, h);
}

static __always_inline void count_flow(const struct packet *p, __u32 cpu, __u64 now)
{
	struct flow_id id = {.device = p->src_mac, .dst = p->dst, .dport = p->dport, .proto = p->proto, .family = p->family};
	struct flow *f = flow_of(&id, cpu, now);
	if (!f)
		return;
	__u16 len = p->len > 0xffff ? 0xffff : p->len;
	f->packets++;
	f->bytes += p->len;
	f->last = now;
	if (len < f->len_min)
		f->len_min = len;
	if (len > f->len_max)
		f->len_max = len;
	if (p->sport < f->sport_min)
		f->sport_min = p->sport;
	if (p->sport > f->sport_max)
		f->sport_max = p->sport;
	if (p->dns)
		f->dns++;
	if (p->proto != PROTO_TCP || !p->l4)
		return;
	f->flags_or |= p->flags;
	f->flags_and &= p->flags;
	if ((p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		f->syn++;
	if (p->bare_ack)
		f->bare_ack++;
	if (p->http)
		f->http++;
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
		if (c == cpu)
			continue;
		struct flow_set *set = flow_set_of(c, h);
		if (set && find_flow(set, id, h))
			return true;
	}
	return false;
}

/* Counts an inward packet in the flow it answers, if there is one: inward
 * floods make no entries. */
static __always_inline void count_back(const struct packet *p, __u32 cpu, __u64 now)
{
	struct flow_id id = {.device = p->dst_mac, .dst = p->src, .dport = p->sport, .proto = p->proto, .family = p->family};
	__u64 h = flow_hash(&id);
	struct flow_set *set = flow_set_of(cpu, h);
	if (!set)
		return;
	struct flow *f = find_flow(set, &id, h);
	if (!f) {
		struct flow_id copy = id;
		if (num_cpus < 2 || !flow_elsewhere(&copy, cpu))
			return;
		start_flow(&copy, cpu, now);
		f = find_flow(set, &id, h);
		if (!f)
			return;
	}
	f->back_packets++;
	f->back_bytes += p->len;
	f->last = now;
}

#endif
