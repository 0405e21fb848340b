// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// For the benchmark: counts and drops what arrives.

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

SEC("xdp")
int bench_sink(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&arrived, &zero);
	if (n)
		++*n;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
