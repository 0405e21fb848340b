// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// On the inside port: what the devices send outward.

#include "block.h"
#include "clock.h"
#include "devices.h"
#include "fail.h"
#include "flows.h"
#include "inspect.h"
#include "rules.h"

static __always_inline bool is_spoofed(const struct config *c, const struct packet *p, bool *drop)
{
	if (!(c->features & FEATURE_INSIDE) || !p->family)
		return false;
	__u32 half = c->inside_generation & 1;
	struct inside *in = bpf_map_lookup_elem(&inside, &half);
	if (!in || !in->n || likely(in_prefixes(in, half, &p->src)) || is_local(p))
		return false;
	*drop = in->anti_spoof;
	return true;
}

static __always_inline struct device_line *line_of(struct device *d, enum class class)
{
	return &d->line[class / LINE_CLASSES & (NUM_CLASSES / LINE_CLASSES - 1)];
}

static __always_inline void count_device(struct device *d, const struct packet *p, enum class class, __u64 now)
{
	struct device_line *l = line_of(d, class);
	struct count *c = &l->class[class & (LINE_CLASSES - 1)];
	c->packets++;
	c->bytes += p->len;
	l->last = now;
	if (p->family)
		l->last_source = p->src;
	if (unlikely(l->key != p->device)) {
		l->key = p->device;
		if (!d->first)
			d->first = now;
	}
	if (unlikely(class == CLASS_SPOOFED)) {
		d->last_spoofed = p->src;
		d->spoofed_at = now;
	}
}

// What the rules say.
static __always_inline int ask_rules(const struct config *c, const struct packet *p, __u32 cpu, __u32 device,
				     bool spoofed, __u64 now)
{
	__u32 zero = 0;
	struct situation *s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return RULES_PASS;
	s->packet = *p;
	s->now = now;
	s->cpu = cpu;
	s->device = device;
	s->generation = c->rules_generation;
	s->spoofed = spoofed;
	return apply_rules(s);
}

// Why rules or blocklist stop the packet: the counter of the reason, or NULL.
// A flow that neither names is not looked up again until one of them changes.
static __always_inline __u64 *named(const struct config *c, const struct packet *p, struct flow *f, __u32 cpu, __u32 device,
				    bool spoofed, __u64 now, struct totals *t)
{
	__u32 generation = *(volatile __u32 *)&c->clear_generation;
	if (likely(f && f->clear == generation))
		return NULL;
	int rules = RULES_CLEAR;
	if (c->features & FEATURE_RULES)
		rules = ask_rules(c, p, cpu, device, spoofed, now);
	if (rules == RULES_STOP)
		return &t->dropped_rule;
	if (blocked(c, &p->dst, p->family) && !spared(device)) {
		note_refusal(p, false, now, t);
		return &t->dropped_blocklist;
	}
	if (f && rules == RULES_CLEAR)
		f->clear = generation;
	return NULL;
}

SEC("xdp")
int gate_inside(struct xdp_md *ctx)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	struct packet p = {};
	if (unlikely(!c || !t))
		return XDP_ABORTED;
	if (unlikely(!read_packet(&p, true, (void *)(long)ctx->data, (void *)(long)ctx->data_end))) {
		t->malformed++;
		return XDP_DROP;
	}
	__u64 now = tick_time();
	bool drop_spoofed = false;
	bool spoofed = is_spoofed(c, &p, &drop_spoofed);
	__u32 class = classify(&p, spoofed);
	asm volatile("" : "+r"(class)); // or all that follows is there once a class
	__u32 device = device_of_mac(p.device, true);
	if (unlikely(device == OVERFLOW_DEVICE))
		t->device_full++;
	struct device *d = device_of(cpu, device);
	if (unlikely(!d))
		return XDP_ABORTED;
	count_device(d, &p, class, now);
	struct flow *f = p.family ? count_flow(&p, cpu, now) : NULL;

	__u64 *why = named(c, &p, f, cpu, device, spoofed, now, t);
	if (!why) {
		if (drop_spoofed)
			why = &t->dropped_spoofed;
		else if (c->features & FEATURE_CEILINGS && !under_ceiling(c, device, class, now))
			why = &t->dropped_ceiling;
		else if (!fail_allows(c, device))
			why = &t->dropped_fail;
	}
	if (unlikely(why)) {
		++*why;
		d->dropped++;
		return XDP_DROP;
	}
	if (unlikely(c->features & FEATURE_INSPECT)) {
		int action = inspect_copy(ctx, &p, device, true, now);
		if (action != GO_ON)
			return action;
	}
	t->forwarded.packets++;
	t->forwarded.bytes += p.len;
	return bpf_redirect_map(&ports, PORT_OUTSIDE, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
