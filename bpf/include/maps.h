/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The maps, the same ones in both programs (user space makes them once).
 * Tables that are written a packet have a part for each CPU, laid out one
 * after the other in a plain array: no atomics, look-ups inline to a few
 * instructions, and user space maps them into memory and reads them without
 * a system call. Sizes are set by user space before loading.
 */
#ifndef MASUGATA_MAPS_H
#define MASUGATA_MAPS_H

#include "layout.h"
#include <bpf/bpf_helpers.h>

/* For the layout of the code: the common path in one piece. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Set by user space before loading; powers of two. */
const volatile __u32 flow_sets = 1; /* of one CPU */
const volatile __u32 device_places = 1; /* at most 65536 */
const volatile __u32 max_rules = 1;
const volatile __u32 num_cpus = 1;
const volatile __u64 seed = 1;
const volatile __u64 tick_ns = 1;  /* see clock.h */
const volatile __s64 tick_base = 0;

/* For user space to read from the object. */
const volatile __u32 layout_version = LAYOUT_VERSION;

#define TABLE(name, value_type)                                                                                                  \
	struct {                                                                                                                 \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                                                \
		__uint(map_flags, BPF_F_MMAPABLE);                                                                               \
		__uint(max_entries, 1);                                                                                          \
		__type(key, __u32);                                                                                              \
		__type(value, value_type);                                                                                       \
	} name SEC(".maps")

TABLE(config, struct config);
TABLE(totals, struct totals);		    /* a CPU */
TABLE(device_index, struct device_place);   /* device_places */
TABLE(devices, struct device);		    /* CPU x (indexes + 1); the last is the overflow entry */
TABLE(device_shared, struct device_shared); /* indexes + 1 */
TABLE(flows, struct flow_set);		    /* CPU x flow_sets */
TABLE(flow_more, struct flow_more_set);	    /* the same */
TABLE(rules, struct rule);		    /* max_rules */
TABLE(rule_hits, struct rule_hits);	    /* CPU x max_rules */
TABLE(rule_buckets, __u64);		    /* max_rules */
TABLE(tuples, struct tuples);		    /* 2, by rules_generation */
TABLE(inside, struct inside);		    /* 2, by inside_generation */

/* One bit for each /24: set when a blocked prefix touches it. */
TABLE(block4, __u64); /* 2^24 / 64 */

/* The same for IPv6 in three bitmaps of 2^BLOCK6_BITS, by the first 16 bits,
 * the hash of the first 32, and the hash of the first 48; a blocked prefix is
 * in the longest of them that is not longer than itself (shorter than 16
 * bits: in the first, several times). */
#define BLOCK6_BITS 17
TABLE(block6, __u64); /* 3 x 2^BLOCK6_BITS / 64 */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct lpm4);
	__type(value, __u32);
} blocked4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct lpm6);
	__type(value, __u32);
} blocked6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct rule_key);
	__type(value, struct rule_chain);
} rule_index SEC(".maps");

/* Token buckets of rules that hold for every device. Never evicted; when it
 * is full, further devices share the rule's own bucket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct bucket_key);
	__type(value, __u64);
} device_buckets SEC(".maps");

/* What the inspection said of flows. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct verdict_key);
	__type(value, struct verdict);
} verdicts SEC(".maps");

/* Taken and emptied by user space every second. When it is full, further
 * refusals are only counted together. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct refusal_key);
	__type(value, struct refusal);
} refusals SEC(".maps");

/* Forward to. */
#define PORT_OUTSIDE 0
#define PORT_INSIDE 1

/* The inspection's sockets, one a receive queue and worker: those of the inside
 * port first, then those of the outside port. */
#define MAX_QUEUES 64
#define MAX_WORKERS 16

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 2 * MAX_QUEUES * MAX_WORKERS);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

#endif
