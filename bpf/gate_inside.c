// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// On the inside port: what the devices send outward.

#include "block.h"
#include "devices.h"
#include "fail.h"
#include "flows.h"
#include "rules.h"

static __always_inline bool is_spoofed(const struct config *c, const struct packet *p, bool *drop)
{
	if (!(c->features & FEATURE_INSIDE) || !p->family)
		return false;
	__u32 half = c->inside_generation & 1;
	struct inside *in = bpf_map_lookup_elem(&inside, &half);
	if (!in || !in->n || in_prefixes(in, half, &p->src) || is_local(p))
		return false;
	*drop = in->anti_spoof;
	return true;
}

static __always_inline void count_device(struct device *d, const struct packet *p, enum class class, __u64 now)
{
	struct count *c = &d->class[class & (NUM_CLASSES - 1)];
	c->packets++;
	c->bytes += p->len;
	if (!d->first)
		d->first = now;
	d->last = now;
	if (p->family)
		d->last_source = p->src;
	if (class == CLASS_SPOOFED) {
		d->last_spoofed = p->src;
		d->spoofed_at = now;
	}
}

// Whether a rule stops the packet.
static __always_inline bool stopped_by_rule(const struct config *c, const struct packet *p, __u32 cpu, __u32 device,
					    bool spoofed, __u64 now)
{
	__u32 zero = 0;
	struct situation *s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return false;
	s->packet = *p;
	s->now = now;
	s->cpu = cpu;
	s->device = device;
	s->generation = c->rules_generation;
	s->spoofed = spoofed;
	return apply_rules(s);
}

SEC("xdp")
int gate_inside(struct xdp_md *ctx)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	struct packet p = {};
	if (!c || !t)
		return XDP_ABORTED;
	if (!read_packet(&p, (void *)(long)ctx->data, (void *)(long)ctx->data_end)) {
		t->malformed++;
		return XDP_DROP;
	}
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 device = device_index(p.src_mac, true);
	if (device == OVERFLOW_DEVICE)
		t->device_full++;
	bool drop_spoofed = false;
	bool spoofed = is_spoofed(c, &p, &drop_spoofed);
	enum class class = classify(&p, spoofed);
	struct device *d = device_of(cpu, device);
	if (!d)
		return XDP_ABORTED;
	count_device(d, &p, class, now);
	if (p.family)
		count_flow(&p, cpu, now);

	__u64 *why;
	if (c->features & FEATURE_RULES && stopped_by_rule(c, &p, cpu, device, spoofed, now))
		why = &t->dropped_rule;
	else if (blocked(c, &p.dst, p.family))
		why = &t->dropped_blocklist;
	else if (drop_spoofed)
		why = &t->dropped_spoofed;
	else if (c->features & FEATURE_CEILINGS && !under_ceiling(c, device, class, now))
		why = &t->dropped_ceiling;
	else if (!fail_allows(c, device, now))
		why = &t->dropped_fail;
	else {
		t->forwarded.packets++;
		t->forwarded.bytes += p.len;
		return bpf_redirect_map(&ports, PORT_OUTSIDE, 0);
	}
	++*why;
	d->dropped++;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
