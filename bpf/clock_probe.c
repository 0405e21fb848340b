// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Reads the tick counter and the coarse monotonic clock at once, into the
// first 16 bytes of the frame. User space runs it to measure the tick.

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int clock_probe(struct xdp_md *ctx)
{
	__u64 *out = (void *)(long)ctx->data;
	if ((void *)(out + 2) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	out[0] = bpf_jiffies64();
	out[1] = bpf_ktime_get_coarse_ns();
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
