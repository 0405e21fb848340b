/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The flow table, one a CPU: a hash gives the place, its tags the entry. A
 * new flow in a full place takes the way that was quiet longest. Nothing is
 * enforced from here, so whatever floods the table only blurs the counts.
 */
#ifndef MASUGATA_FLOWS_H
#define MASUGATA_FLOWS_H

#include "maps.h"
#include "packet.h"

/* A flow that was seen within this time was still wanted when it was
 * evicted: counted in totals.flow_full. */
#define FLOW_IDLE (10000000000ULL >> AGE_SHIFT)

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

static __always_inline struct flow_place *flow_place_of(__u32 cpu, __u64 hash)
{
	__u32 i = cpu * flow_places + ((__u32)hash & (flow_places - 1));
	return bpf_map_lookup_elem(&flow_index, &i);
}

static __always_inline __u16 tag_of(__u64 hash)
{
	return hash >> 48;
}

static __always_inline struct flow *flow_at(__u32 cpu, __u32 index)
{
	__u32 i = cpu * flow_places * FLOW_WAYS + index - 1;
	return bpf_map_lookup_elem(&flows, &i);
}

/* The flow's entry, or NULL; it counts as seen now. Ways are filled in order
 * and never freed, so one without an index ends the search. */
static __always_inline struct flow *find_flow(struct flow_place *place, const struct flow_id *id, __u64 hash, __u32 cpu,
					      __u64 now)
{
	__u16 tag = tag_of(hash), age = now >> AGE_SHIFT;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		__u32 index = place->index[i];
		if (!index)
			return NULL;
		if (place->tag[i] != tag)
			continue;
		struct flow *f = flow_at(cpu, index);
		if (f && same_flow(f, id)) {
			if (place->age[i] != age)
				place->age[i] = age;
			return f;
		}
	}
	return NULL;
}

static __always_inline void fill_flow(struct flow *f, const struct flow_id *id, __u64 now)
{
	/* Readers without a lock copy an entry, then look at last and the key
	 * again. */
	*(volatile __u64 *)&f->last = 0;
	f->device = id->device;
	f->dst.w[0] = id->dst.w[0];
	f->dst.w[1] = id->dst.w[1];
	f->dport = id->dport;
	f->proto = id->proto;
	f->family = id->family;
	f->flags_or = 0;
	f->flags_and = 0xff;
	f->clear = 0;
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
}

/* The way that a new flow gets: the first that was never used, else the one
 * that was quiet longest. */
static __always_inline __u32 victim_way(struct flow_place *place, __u16 age, __u16 *quiet)
{
	__u32 oldest = 0;
	*quiet = 0;
#pragma unroll
	for (int i = 0; i < FLOW_WAYS; i++) {
		if (!place->index[i]) {
			*quiet = 0xffff;
			return i;
		}
		__u16 q = age - place->age[i];
		if (q >= *quiet) {
			*quiet = q;
			oldest = i;
		}
	}
	return oldest;
}

/* Makes an entry for the flow; 0 when it could not. */
__noinline int start_flow(const struct flow_id *id, __u32 cpu, __u64 now)
{
	if (!id)
		return 0;
	__u64 h = flow_hash(id);
	struct flow_place *place = flow_place_of(cpu, h);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	if (!place || !t)
		return 0;
	__u16 quiet, age = now >> AGE_SHIFT;
	__u32 way = victim_way(place, age, &quiet) & (FLOW_WAYS - 1);
	if (!place->index[way]) {
		if (t->flows_used >= flow_places * FLOW_WAYS)
			return 0;
		place->index[way] = ++t->flows_used;
	} else if (quiet < FLOW_IDLE) {
		t->flow_full++;
	}
	struct flow *f = flow_at(cpu, place->index[way]);
	if (!f)
		return 0;
	fill_flow(f, id, now);
	place->tag[way] = tag_of(h);
	place->age[way] = age;
	return 1;
}

static __always_inline struct flow *flow_of(const struct flow_id *id, __u32 cpu, __u64 now)
{
	__u64 h = flow_hash(id);
	struct flow_place *place = flow_place_of(cpu, h);
	if (!place)
		return NULL;
	struct flow *f = find_flow(place, id, h, cpu, now);
	if (f)
		return f;
	struct flow_id copy = *id; /* so that the common path keeps id in registers */
	if (!start_flow(&copy, cpu, now))
		return NULL;
	return find_flow(place, id, h, cpu, now);
}

/* Counts the packet and gives its flow. */
static __always_inline struct flow *count_flow(const struct packet *p, __u32 cpu, __u64 now)
{
	struct flow_id id = {.device = p->src_mac, .dst = p->dst, .dport = p->dport, .proto = p->proto, .family = p->family};
	struct flow *f = flow_of(&id, cpu, now);
	if (!f)
		return NULL;
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
		return f;
	f->flags_or |= p->flags;
	f->flags_and &= p->flags;
	if ((p->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		f->syn++;
	if (p->bare_ack)
		f->bare_ack++;
	if (p->http)
		f->http++;
	return f;
}

/* Whether another CPU counts the flow. */
__noinline int flow_elsewhere(const struct flow_id *id, __u32 cpu, __u64 now)
{
	if (!id)
		return false;
	__u64 h = flow_hash(id);
	for (__u32 c = 0; c < 128; c++) {
		if (c >= num_cpus)
			break;
		if (c == cpu)
			continue;
		struct flow_place *place = flow_place_of(c, h);
		if (place && find_flow(place, id, h, c, now))
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
	struct flow_place *place = flow_place_of(cpu, h);
	if (!place)
		return;
	struct flow *f = find_flow(place, &id, h, cpu, now);
	if (!f) {
		struct flow_id copy = id;
		if (num_cpus < 2 || !flow_elsewhere(&copy, cpu, now) || !start_flow(&copy, cpu, now))
			return;
		f = find_flow(place, &id, h, cpu, now);
		if (!f)
			return;
	}
	f->back_packets++;
	f->back_bytes += p->len;
	f->last = now;
}

#endif
