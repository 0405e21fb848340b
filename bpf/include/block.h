/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The blocklist: a bitmap says "not blocked" for nearly every address with
 * one load; only the others are looked up in the trie. */
#ifndef MASUGATA_BLOCK_H
#define MASUGATA_BLOCK_H

#include "maps.h"
#include "packet.h"

static __always_inline bool bit_set(void *map, __u32 bit)
{
	__u32 word = bit >> 6;
	__u64 *w = bpf_map_lookup_elem(map, &word);
	return w && *w >> (bit & 63) & 1;
}

__noinline int trie4(__u64 mapped)
{
	struct lpm4 key = {.bits = 32};
	__u32 a = mapped >> 32;
	__builtin_memcpy(key.addr, &a, 4);
	return bpf_map_lookup_elem(&blocked4, &key) != NULL;
}

__noinline int trie6(__u64 high, __u64 low)
{
	struct lpm6 key = {.bits = 128};
	__builtin_memcpy(key.addr, &high, 8);
	__builtin_memcpy(key.addr + 8, &low, 8);
	return bpf_map_lookup_elem(&blocked6, &key) != NULL;
}

/* Knuth's multiplicative hash of the first bits of an address, in network
 * order read as one number. */
static __always_inline __u32 block6_hash(__u64 prefix)
{
	return (prefix * 0x9E3779B97F4A7C15ULL) >> (64 - BLOCK6_BITS);
}

static __always_inline bool maybe_blocked6(__u64 high, __u32 levels)
{
	__u64 h = bpf_be64_to_cpu(high);
	if (levels & 1 && bit_set(&block6, h >> 48))
		return true;
	if (levels & 2 && bit_set(&block6, (1 << BLOCK6_BITS) + block6_hash(h >> 32)))
		return true;
	return levels & 4 && bit_set(&block6, (2 << BLOCK6_BITS) + block6_hash(h >> 16));
}

/* Whether the blocklist does not hold for the device. Asked only of packets
 * that it names. */
static __always_inline bool spared(__u32 device)
{
	struct device_shared *d = bpf_map_lookup_elem(&device_shared, &device);
	return d && d->spared;
}

static __always_inline bool blocked(const struct config *c, const struct addr *a, __u8 family)
{
	if (family == 4 && c->features & FEATURE_BLOCK4)
		return bit_set(&block4, bpf_ntohl(a->w[1] >> 32) >> 8) && trie4(a->w[1]);
	if (family == 6 && c->features & FEATURE_BLOCK6)
		return maybe_blocked6(a->w[0], c->block6_levels) && trie6(a->w[0], a->w[1]);
	return false;
}

/* Remembers whom the blocklist has just kept from whom. */
static __noinline int note_refusal(const struct packet *p, bool inward, __u64 now, struct totals *t)
{
	struct refusal_key key = {.device = p->device, .inward = inward, .proto = p->proto, .family = p->family};
	key.outside = inward ? p->src : p->dst;
	__u16 port = p->traits & TRAIT_L4 ? destination_port(p) : 0;
	struct refusal *r = bpf_map_lookup_elem(&refusals, &key);
	if (!r) {
		struct refusal first = {.packets = 1, .last = now, .port = port};
		if (bpf_map_update_elem(&refusals, &key, &first, BPF_NOEXIST))
			t->uncounted_refusals++;
		return 0;
	}
	__sync_fetch_and_add(&r->packets, 1);
	r->last = now;
	r->port = port;
	return 0;
}

#endif
