// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// For the benchmark: the least that forwards, to compare the gate with.

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

SEC("xdp")
int bench_forward(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, 0, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
