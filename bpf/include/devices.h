/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The device table: which index a MAC address has, and its counters. */
#ifndef MASUGATA_DEVICES_H
#define MASUGATA_DEVICES_H

#include "maps.h"
#include "packet.h"

#define OVERFLOW_DEVICE (device_places * DEVICE_WAYS)
#define NO_DEVICE (~0U)

/* The upper bits of a product depend on all bits of its factors; only they
 * are used. */
static __always_inline __u64 device_hash(__u64 key)
{
	return (key ^ seed) * 0x9E3779B97F4A7C15ULL;
}

/* A key has two places it can be in; the second is used only when the first
 * is full. */
static __always_inline __u32 first_place(__u64 h)
{
	return h >> 48 & (device_places - 1);
}

static __always_inline __u32 second_place(__u64 h)
{
	return ((h ^ h >> 32) * 0xD6E8FEB86659FD93ULL) >> 48 & (device_places - 1);
}

#define PLACE_FULL (-2)

/* The way of the key in the place; -1: none; PLACE_FULL: none, and no way of
 * it was ever free. */
static __always_inline int find_way(struct device_place *place, __u64 key)
{
#pragma unroll
	for (int i = 0; i < DEVICE_WAYS; i++) {
		__u64 k = *(volatile __u64 *)&place->key[i];
		if (k == key)
			return i;
		if (k == DEVICE_FREE)
			return -1;
	}
	return PLACE_FULL;
}

/* Takes the first way that is free or was freed; gives the way that holds
 * the key then, or -1. */
static __always_inline int claim_way(struct device_place *place, __u64 key)
{
#pragma unroll
	for (int i = 0; i < DEVICE_WAYS; i++) {
		__u64 k = *(volatile __u64 *)&place->key[i];
		if (k == DEVICE_FREE || k == DEVICE_GONE) {
			__u64 seen = __sync_val_compare_and_swap(&place->key[i], k, key);
			if (seen != k && seen != key)
				continue;
			if (seen == k && !place->index[i]) {
				__u32 zero = 0;
				struct config *c = bpf_map_lookup_elem(&config, &zero);
				if (c)
					place->index[i] = __sync_fetch_and_add(&c->devices_used, 1) + 1;
			}
			return i;
		}
	}
	return -1;
}

static __always_inline __u32 index_of(struct device_place *place, int way)
{
	/* Another CPU claimed the way and gives it an index just now. */
	if (way < 0 || way >= DEVICE_WAYS || !place->index[way])
		return OVERFLOW_DEVICE;
	return place->index[way] - 1;
}

/* What is not in its first place's first ways: a second place, or a new
 * device. Functions that are not static are verified by themselves, once. */
__noinline __u32 device_index_slow(__u64 key, int insert)
{
	__u64 h = device_hash(key);
	__u32 one = first_place(h), two = second_place(h);
	struct device_place *p1 = bpf_map_lookup_elem(&device_index, &one);
	struct device_place *p2 = bpf_map_lookup_elem(&device_index, &two);
	if (!p1 || !p2)
		return NO_DEVICE;
	int way = find_way(p1, key);
	if (way >= 0)
		return index_of(p1, way);
	if (way == PLACE_FULL) {
		way = find_way(p2, key);
		if (way >= 0)
			return index_of(p2, way);
	}
	if (!insert)
		return NO_DEVICE;
	way = claim_way(p1, key);
	if (way >= 0)
		return index_of(p1, way);
	return index_of(p2, claim_way(p2, key));
}

/* The device's index. A key that is not in the table is put there when
 * insert is set; OVERFLOW_DEVICE when there is no place for it. Without
 * insert: NO_DEVICE. */
static __always_inline __u32 device_of_mac(__u64 key, bool insert)
{
	if (unlikely(key == DEVICE_FREE || key == DEVICE_GONE))
		return insert ? OVERFLOW_DEVICE : NO_DEVICE;
	__u32 one = first_place(device_hash(key));
	struct device_place *p = bpf_map_lookup_elem(&device_index, &one);
	if (!p)
		return NO_DEVICE;
	if (likely(p->key[0] == key && p->index[0]))
		return p->index[0] - 1;
	if (likely(p->key[1] == key && p->index[1]))
		return p->index[1] - 1;
	return device_index_slow(key, insert);
}

/* The counters of the device with the index. */
static __always_inline struct device *device_of(__u32 cpu, __u32 index)
{
	__u32 i = cpu * (OVERFLOW_DEVICE + 1) + index;
	return bpf_map_lookup_elem(&devices, &i);
}

#endif
