/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What happens to frames that nothing else stops while FEATURE_INSPECT is set:
 * they go to the inspection in user space, or as it said of their flow. */
#ifndef MASUGATA_INSPECT_H
#define MASUGATA_INSPECT_H

#include "fail.h"
#include "maps.h"
#include "packet.h"

/* After so long without a packet a flow is inspected again. */
#define VERDICT_IDLE 60000000000ULL

#define GROUP_BIT 1 /* of a MAC address' first byte: broadcast and multicast */
#define GO_ON (-1)  /* forward it */

static __always_inline void name_flow(struct verdict_key *key, const struct packet *p, bool outward)
{
	key->device = p->device;
	key->inside = outward ? p->src : p->dst;
	key->outside = outward ? p->dst : p->src;
	key->inside_port = outward ? source_port(p) : destination_port(p);
	key->outside_port = outward ? destination_port(p) : source_port(p);
	key->proto = p->proto;
	key->family = p->family;
}

/* What the inspection said of the packet's flow. A flow that begins anew is
 * another one. */
static __always_inline __u32 fate_of(const struct config *c, const struct packet *p, bool outward, __u64 now)
{
	struct verdict_key key = {};
	if (!p->family || (p->proto != PROTO_TCP && p->proto != PROTO_UDP) || !(p->traits & TRAIT_L4))
		return FATE_INSPECT;
	name_flow(&key, p, outward);
	struct verdict *v = bpf_map_lookup_elem(&verdicts, &key);
	if (!v)
		return FATE_INSPECT;
	bool begins = p->proto == PROTO_TCP && (p->traits & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	if (begins || v->generation != c->verdict_generation || (__s64)(now - v->last) > (__s64)VERDICT_IDLE) {
		bpf_map_delete_elem(&verdicts, &key);
		return FATE_INSPECT;
	}
	v->last = now;
	return v->fate;
}

/* Group-addressed frames reach trusted devices too. */
static __always_inline bool passes_uninspected(const struct config *c, const struct packet *p, __u32 device, bool outward)
{
	if (!outward && p->device & GROUP_BIT && !(c->features & FEATURE_FAIL_CLOSED))
		return true;
	return fail_trusts(c, device);
}

/* Which worker looks at the packet: all that one inside address sends and gets
 * goes to one, in both directions, fragments and related flows included. */
static __always_inline __u32 worker_of(const struct config *c, const struct packet *p, bool outward)
{
	const struct addr *in = outward ? &p->src : &p->dst;
	__u64 hash = (in->w[0] ^ in->w[1]) * 0x9e3779b97f4a7c15ULL;
	__u32 worker = (hash >> 32) * c->inspection_workers >> 32;
	return worker & (MAX_WORKERS - 1);
}

/* Gives the action, or GO_ON. */
__noinline int inspect(struct xdp_md *ctx, const struct packet *p, __u32 device, int outward, __u64 now)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	if (!c || !t || !p)
		return XDP_ABORTED;
	__u32 fate = fate_of(c, p, outward, now);
	if (fate == FATE_FORWARD) {
		t->settled++;
		return GO_ON;
	}
	if (fate == FATE_DROP) {
		t->dropped_verdict++;
		return XDP_DROP;
	}
	__u32 queue = ctx->rx_queue_index;
	bool alive = (__s64)(bpf_ktime_get_coarse_ns() - c->inspecting) < (__s64)HEARTBEAT_TIMEOUT;
	__u32 socket = (queue + (outward ? 0 : MAX_QUEUES)) * MAX_WORKERS + worker_of(c, p, outward);
	if (alive && queue < MAX_QUEUES && bpf_redirect_map(&sockets, socket, XDP_PASS) == XDP_REDIRECT) {
		t->inspected++;
		return XDP_REDIRECT;
	}
	if (passes_uninspected(c, p, device, outward)) {
		t->uninspected++;
		return GO_ON;
	}
	t->dropped_fail++;
	return XDP_DROP;
}

/* The same of a copy, so that the common path keeps its packet in registers. */
static __always_inline int inspect_copy(struct xdp_md *ctx, const struct packet *p, __u32 device, bool outward, __u64 now)
{
	struct packet copy = *p;
	return inspect(ctx, &copy, device, outward, now);
}

#endif
