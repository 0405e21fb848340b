// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// For the benchmark: makes the frames of many devices. It runs over live
// frames (BPF_F_TEST_XDP_LIVE_FRAMES) that already hold an Ethernet, IPv4 and
// UDP header, changes who sends them to whom, and sends them.

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 num_devices = 1000;
const volatile __u32 destinations = 4; // of each device

struct progress {
	__u64 made;
	__u64 first; // ktime of the first frame, ns
	__u64 last;  // ktime of the last frame whose number divides by BATCH
	__u64 timed; // frames made until last
};

#define BATCH 64

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct progress);
} made SEC(".maps");

struct frame {
	__u8 dst[6];
	__u8 src[2];
	__be32 src_low;
	__be16 type;
	__u8 ip[12];
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
} __attribute__((packed));

SEC("xdp")
int bench_generate(struct xdp_md *ctx)
{
	struct frame *f = (void *)(long)ctx->data;
	__u32 zero = 0;
	struct progress *g = bpf_map_lookup_elem(&made, &zero);
	if (!g || (void *)(f + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	if (g->made % BATCH == 0) {
		g->last = bpf_ktime_get_ns();
		g->timed = g->made;
		if (!g->first)
			g->first = g->last;
	}
	__u32 i = (__u32)++g->made * 2654435761u >> 8; // in no order, as real devices would
	__u32 device = i % num_devices, to = i / num_devices % destinations;
	f->src_low = bpf_htonl(device);
	f->saddr = bpf_htonl(0x0a000000 + device);
	f->daddr = bpf_htonl(0x08000000 + device * 7919 + to * 65537);
	f->sport = bpf_htons(40000 + to);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
