/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Rules, ceilings and anti-spoofing: what may pass outward. */
#ifndef MASUGATA_RULES_H
#define MASUGATA_RULES_H

#include "bucket.h"
#include "devices.h"
#include "maps.h"
#include "packet.h"

#define INSIDE_INLINE 3
#define NO_CEILING (~0ULL)

/* What apply_rules says. */
#define RULES_CLEAR 0  /* no rule names the packet's flow */
#define RULES_PASS 1
#define RULES_STOP 2

/* A packet and what the rules look at beside it. */
struct situation {
	struct packet packet;
	__u64 now;
	__u32 cpu;
	__u32 device;
	__u32 generation;
	bool spoofed;
};

/* One for each CPU, because the stack has no room for it. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct situation);
} scratch SEC(".maps");

static __always_inline bool in_prefix(const struct inside *in, __u32 i, __u64 w0, __u64 w1)
{
	return (w1 & in->mask[i].w[1]) == in->prefix[i].w[1] && (w0 & in->mask[i].w[0]) == in->prefix[i].w[0];
}

__noinline int in_more_prefixes(__u32 half, __u64 w0, __u64 w1)
{
	struct inside *in = bpf_map_lookup_elem(&inside, &half);
	if (!in)
		return false;
	for (int i = INSIDE_INLINE; i < MAX_INSIDE; i++) {
		if (i >= in->n)
			break;
		if (in_prefix(in, i, w0, w1))
			return true;
	}
	return false;
}

/* Few networks have more prefixes than are looked at in line. */
static __always_inline bool in_prefixes(const struct inside *in, __u32 half, const struct addr *a)
{
#pragma unroll
	for (int i = 0; i < INSIDE_INLINE; i++) {
		if (i < in->n && in_prefix(in, i, a->w[0], a->w[1]))
			return true;
	}
	return in->n > INSIDE_INLINE && in_more_prefixes(half, a->w[0], a->w[1]);
}

/* Sources that a device may use before it has an address of the inside. */
static __always_inline bool is_local(const struct packet *p)
{
	if (p->family == 4)
		return p->src.w[1] >> 32 == 0 || (p->src.w[1] >> 32 & 0xffff) == 0xfea9;
	return (p->src.w[0] | p->src.w[1]) == 0 || (p->src.w[0] & 0xc0ff) == 0x80fe;
}

/* Whether the rule, found by its exact fields, also matches in the others. */
static __always_inline bool rule_fits(const struct rule *r, const struct situation *s)
{
	const struct packet *p = &s->packet;
	if (!r->used || (r->deadline && bpf_ktime_get_coarse_ns() >= r->deadline))
		return false;
	if (r->spoofed && !s->spoofed)
		return false;
	if ((r->len_min || r->len_max) && !p->family)
		return false;
	if (p->len < r->len_min || (r->len_max && p->len > r->len_max))
		return false;
	if (r->tcp_mask)
		return p->family && p->proto == PROTO_TCP && p->traits & TRAIT_L4 && (p->traits & r->tcp_mask) == r->tcp_flags;
	return true;
}

static __always_inline bool rule_token(const struct rule *r, __u32 slot, const struct situation *s)
{
	struct bucket_key key = {.slot = slot, .device = s->device};
	__u64 *tat = NULL, fresh = 0;
	if (!r->device) {
		tat = bpf_map_lookup_elem(&device_buckets, &key);
		if (!tat && !bpf_map_update_elem(&device_buckets, &key, &fresh, BPF_NOEXIST))
			tat = bpf_map_lookup_elem(&device_buckets, &key);
	}
	if (!tat)
		tat = bpf_map_lookup_elem(&rule_buckets, &slot);
	return !tat || take_token(tat, r->interval, r->tolerance, s->now);
}

/* Counts the packet for the rule in slot; true: the rule stops it. stopped
 * says that another rule did so already. */
__noinline int apply_rule(__u32 slot, const struct situation *s, int stopped)
{
	if (!s)
		return false;
	__u32 i = s->cpu * max_rules + slot;
	struct rule *r = bpf_map_lookup_elem(&rules, &slot);
	struct rule_hits *h = bpf_map_lookup_elem(&rule_hits, &i);
	if (!r || !h || !rule_fits(r, s))
		return false;
	h->matched.packets++;
	h->matched.bytes += s->packet.len;
	h->last = s->now;
	if (stopped)
		return false;
	if (r->verdict == VERDICT_DROP || (r->verdict == VERDICT_LIMIT && !rule_token(r, slot, s))) {
		h->stopped.packets++;
		h->stopped.bytes += s->packet.len;
		return true;
	}
	return false;
}

/* Applies the rules that share the key; verdict is that of those before. */
static __always_inline int apply_chain(const struct rule_key *key, const struct situation *s, int verdict)
{
	struct rule_chain *c = bpf_map_lookup_elem(&rule_index, key);
	if (!c)
		return verdict;
	for (int i = 0; i < MAX_CHAIN; i++) {
		if (i >= c->n)
			break;
		if (apply_rule(c->slot[i], s, verdict == RULES_STOP))
			verdict = RULES_STOP;
	}
	return verdict == RULES_CLEAR ? RULES_PASS : verdict;
}

/* Applies every rule that matches the packet. */
__noinline int apply_rules(const struct situation *s)
{
	if (!s)
		return RULES_PASS;
	const struct packet *p = &s->packet;
	__u32 half = s->generation & 1;
	struct tuples *ts = bpf_map_lookup_elem(&tuples, &half);
	if (!ts)
		return RULES_PASS;
	int verdict = ts->by_sport ? RULES_PASS : RULES_CLEAR;
	for (int i = 0; i < MAX_TUPLES; i++) {
		if (i >= ts->n)
			break;
		const struct tuple *t = &ts->t[i];
		struct rule_key key = {
			.device = p->device & t->device_mask,
			.dst.w[0] = p->dst.w[0] & t->dst_mask.w[0],
			.dst.w[1] = p->dst.w[1] & t->dst_mask.w[1],
			.dport = destination_port(p) & t->dport_mask,
			.sport = source_port(p) & t->sport_mask,
			.proto = p->proto & t->proto_mask,
			.family = p->family & t->family_mask,
			.tuple = i,
			.generation = half,
		};
		verdict = apply_chain(&key, s, verdict);
	}
	return verdict;
}

/* Whether the device's ceiling for the class lets the packet through. */
static __always_inline bool under_ceiling(const struct config *c, __u32 device, __u32 class, __u64 now)
{
	struct device_shared *d = bpf_map_lookup_elem(&device_shared, &device);
	if (!d)
		return true;
	class &= NUM_CLASSES - 1;
	__u64 interval = d->ceiling[class].interval;
	if (!interval)
		interval = c->ceiling[class];
	if (!interval || interval == NO_CEILING)
		return true;
	return take_token(&d->ceiling[class].tat, interval, CEILING_TOLERANCE, now);
}

#endif
