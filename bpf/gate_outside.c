// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// On the outside port: what comes in to the devices.

#include "block.h"
#include "clock.h"
#include "devices.h"
#include "fail.h"
#include "flows.h"
#include "inspect.h"

// Counts the frame for the device it goes to, if that was ever heard.
static __always_inline void count_inward(const struct packet *p, __u32 cpu, __u32 device, __u64 now)
{
	struct device *d = device_of(cpu, device);
	if (!d)
		return;
	d->rx.packets++;
	d->rx.bytes += p->len;
	if (p->family)
		count_back(p, cpu, now);
}

// Group-addressed frames reach trusted devices too, so only a closed gate
// stops them.
static __always_inline bool fail_allows_inward(const struct config *c, const struct packet *p, __u32 device)
{
	if (p->device & GROUP_BIT && !(c->features & FEATURE_FAIL_CLOSED))
		return true;
	return fail_allows(c, device);
}

SEC("xdp")
int gate_outside(struct xdp_md *ctx)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct totals *t = bpf_map_lookup_elem(&totals, &cpu);
	struct packet p = {};
	if (!c || !t)
		return XDP_ABORTED;
	if (!read_packet(&p, false, (void *)(long)ctx->data, (void *)(long)ctx->data_end)) {
		t->malformed++;
		return XDP_DROP;
	}
	__u64 now = tick_time();
	__u32 device = device_of_mac(p.device, false);
	if (blocked(c, &p.src, p.family) && !spared(device)) {
		note_refusal(&p, true, now, t);
		t->dropped_blocklist++;
		return XDP_DROP;
	}
	if (!fail_allows_inward(c, &p, device)) {
		t->dropped_fail++;
		return XDP_DROP;
	}
	if (device != NO_DEVICE)
		count_inward(&p, cpu, device, now);
	if (c->features & FEATURE_INSPECT) {
		int action = inspect_copy(ctx, &p, device, false, now);
		if (action != GO_ON)
			return action;
	}
	t->forwarded.packets++;
	t->forwarded.bytes += p.len;
	return bpf_redirect_map(&ports, PORT_INSIDE, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
