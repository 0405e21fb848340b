/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the programs and user space share: every struct that lies in a map.
 * Go gets the same structs from this object's BTF (bpf2go -type). Change
 * LAYOUT_VERSION whenever the meaning of a field changes; changes of size
 * are noticed without it.
 */
#ifndef MASUGATA_LAYOUT_H
#define MASUGATA_LAYOUT_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#define LAYOUT_VERSION 2

/* A device: its MAC address (first six bytes) and VLAN (last two, host
 * order) as one word in memory order. 0 is a free place, ~0 one that was
 * freed again. */
#define DEVICE_FREE 0ULL
#define DEVICE_GONE (~0ULL)
#define DEVICE_WAYS 6

/* The devices of one hash value, in one cache line. Each way gets an index
 * into every other table when it is first used, counting up, so that the
 * devices that are there lie close together; it keeps it. */
struct device_place {
	__u64 key[DEVICE_WAYS];
	__u16 index[DEVICE_WAYS]; /* + 1; 0: none yet */
	__u32 unused;
};

enum class {
	CLASS_SPOOFED,
	CLASS_SYN,
	CLASS_ACK,
	CLASS_TCP,
	CLASS_DNS,
	CLASS_UDP,
	CLASS_ICMP,
	CLASS_OTHER,
	NUM_CLASSES,
};

struct count {
	__u64 packets;
	__u64 bytes;
};

/* An IPv6 address, or an IPv4 address mapped into IPv6 (RFC 4291, 2.5.5.2),
 * in network order. */
struct addr {
	__u64 w[2];
};

#define LINE_CLASSES 2

/* Counters of two classes: all that a packet touches, in one cache line. */
struct device_line {
	struct count class[LINE_CLASSES]; /* outward, stopped ones included */
	struct addr last_source;
	__u64 key;  /* the device's; 0 before its first packet */
	__u64 last; /* ktime by ticks, ns; see clock.h */
};

/* Counters of one device on one CPU. */
struct device {
	struct device_line line[NUM_CLASSES / LINE_CLASSES];
	struct addr last_spoofed;
	__u64 spoofed_at; /* when last_spoofed was seen */
	__u64 first;
	__u64 dropped;
	struct count rx;
	__u64 unused;
};

/* A token bucket of a ceiling, see bucket.h. */
struct ceiling {
	__u64 tat;
	__u64 interval; /* ns a packet; 0: the common one, ~0: none */
};

/* State of one device that all CPUs share. */
struct device_shared {
	struct ceiling ceiling[NUM_CLASSES];
	__u32 own; /* it has ceilings of its own */
	__u32 trusted;
	__u32 spared; /* the blocklist does not hold for it */
	__u32 unused4;
	__u64 unused[6];
};

/* One flow on one CPU: all that a plain packet touches, in one cache line.
 * last is 0 while the entry is free or being filled. */
struct flow {
	__u64 device;
	struct addr dst;
	__u32 tail;  /* destination port | protocol << 16 | family (4 or 6) << 24 */
	__u16 clear; /* config.clear_generation in which neither blocklist nor rules named it */
	__u16 unused;
	__u16 len_min;
	__u16 len_max;
	__u16 sport_min;
	__u16 sport_max;
	__u64 packets;
	__u64 bytes;
	__u64 last;
};

/* The rest of it, at the same place of another table. */
struct flow_more {
	__u64 first;
	__u64 syn;
	__u64 bare_ack;
	__u64 http;
	__u64 dns;
	__u64 back_packets;
	__u64 back_bytes;
	__u8 flags_or;
	__u8 flags_and;
	__u8 unused[6];
};

#define FLOW_WAYS 8

/* The flows of one hash value. */
struct flow_set {
	struct flow way[FLOW_WAYS];
};

struct flow_more_set {
	struct flow_more way[FLOW_WAYS];
};

struct totals {
	struct count forwarded;
	__u64 dropped_rule;
	__u64 dropped_blocklist;
	__u64 dropped_ceiling;
	__u64 dropped_fail;
	__u64 dropped_spoofed;
	__u64 malformed;
	__u64 flow_full;
	__u64 device_full;
	__u64 inspected;	/* handed to a socket of the inspection */
	__u64 settled;		/* forwarded because the inspection is done with the flow */
	__u64 dropped_verdict;	/* dropped because the inspection said so of the flow */
	__u64 uninspected;	/* forwarded because nobody was there to inspect them */
	__u64 uncounted_refusals; /* of dropped_blocklist, those that found the table of refusals full */
	__u64 unused[1];
};

enum rule_verdict {
	VERDICT_COUNT,
	VERDICT_DROP,
	VERDICT_LIMIT,
};

/* One rule. Its place in the table is its slot; hits and buckets are kept
 * by slot, so a rule that stays in force keeps its slot. */
struct rule {
	__u64 device;	     /* 0: any */
	struct addr dst;     /* masked */
	__u64 deadline;	     /* ktime; 0: never */
	__s64 deadline_wall; /* the same in Unix ns, for user space */
	__u64 interval;	     /* ns a packet of VERDICT_LIMIT */
	__u64 tolerance;     /* ns that a burst may run ahead */
	__u32 id;
	__u32 pps;
	__u16 dport;
	__u16 sport;
	__u16 len_min;
	__u16 len_max;
	__u8 proto;
	__u8 dst_bits;	 /* of the prefix as user space gave it */
	__u8 dst_family; /* 0: any address, else 4 or 6 */
	__u8 verdict;
	__u8 tcp_flags;
	__u8 tcp_mask;
	__u8 spoofed;
	__u8 used;
	__u64 unused[4];
};

struct rule_hits {
	struct count matched;
	struct count stopped;
	__u64 last;
	__u64 unused[3];
};

/* Tuple-space search: a tuple is one combination of fields that some rule
 * names; its rules are found by one look-up of the masked packet. */
#define MAX_TUPLES 16
#define MAX_CHAIN 12

struct tuple {
	__u64 device_mask;
	struct addr dst_mask;
	__u16 dport_mask;
	__u16 sport_mask;
	__u8 proto_mask;
	__u8 family_mask;
	__u16 unused;
};

struct tuples {
	__u32 n;
	__u32 by_sport; /* some tuple has a source port */
	struct tuple t[MAX_TUPLES];
};

struct rule_key {
	__u64 device;
	struct addr dst;
	__u16 dport;
	__u16 sport;
	__u8 proto;
	__u8 family;
	__u8 tuple;
	__u8 generation;
};

struct rule_chain {
	__u32 n;
	__u16 slot[MAX_CHAIN];
	__u32 unused;
};

struct bucket_key {
	__u32 slot;
	__u32 device;
};

/* A flow as the inspection names it, the same in both directions: the inside
 * end first. Ports are in host order. */
struct verdict_key {
	__u64 device;
	struct addr inside;
	struct addr outside;
	__u16 inside_port;
	__u16 outside_port;
	__u8 proto;
	__u8 family;
	__u16 unused;
};

enum fate {
	FATE_INSPECT,
	FATE_FORWARD,
	FATE_DROP,
};

/* Holds while its generation is that of the configuration and the flow is not
 * quiet for long. */
struct verdict {
	__u64 last; /* ktime by ticks, ns */
	__u32 generation;
	__u32 fate;
};

/* Whom the blocklist kept from whom. */
struct refusal_key {
	__u64 device;
	struct addr outside;
	__u8 inward; /* the outside began */
	__u8 proto;
	__u8 family;
	__u8 unused[5];
};

struct refusal {
	__u64 packets;
	__u64 last; /* ktime by ticks, ns */
	__u16 port; /* destination of the last packet, host order; 0 for none */
	__u8 unused[6];
};

struct lpm4 {
	__u32 bits;
	__u8 addr[4];
};

struct lpm6 {
	__u32 bits;
	__u8 addr[16];
};

#define MAX_INSIDE 64

/* The inside prefixes, in two copies: config.inside_generation says which
 * holds. */
struct inside {
	__u32 n;
	__u32 anti_spoof;
	struct addr prefix[MAX_INSIDE];
	struct addr mask[MAX_INSIDE];
};

/* config.features: what the common path must look at. */
#define FEATURE_RULES 1
#define FEATURE_BLOCK4 2
#define FEATURE_BLOCK6 4
#define FEATURE_CEILINGS 8
#define FEATURE_INSIDE 16
#define FEATURE_FAIL_CLOSED 32	  /* fail mode: nothing passes */
#define FEATURE_FAIL_UNTRUSTED 64 /* fail mode: only trusted devices pass */
#define FEATURE_INSPECT 128	  /* what passes is inspected by user space */

#define HEARTBEAT_TIMEOUT 2000000000ULL

struct config {
	__u64 layout; /* hash of the layout; written last when the tables are new */
	__u64 seed;
	__u64 heartbeat; /* ktime, ns */
	__u32 features;
	__u32 rules_generation;
	__u32 inside_generation;
	__u32 block6_levels; /* which of the bitmaps in block6 are in use */
	__u32 clear_generation; /* changes after every change of rules and blocklist; 1 to 65535 */
	__u32 verdict_generation;
	__u64 attached;	     /* ktime */
	__u64 inspecting; /* ktime, ns: heartbeat of the inspection */
	__u64 ceiling[NUM_CLASSES]; /* ns a packet of the common ceilings, 0 for none */
	__u64 devices_used; /* indexes given */
	__u32 inspection_workers; /* that share the traffic; 0 is 1 */
	__u32 unused3;
	__u64 unused2[6];
};

#endif
