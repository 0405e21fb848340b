// Package xdp carries the gate's packets in the kernel: an XDP program on
// each of two ports that forwards every frame unmodified to the other port,
// counts it, and stops what rules, blocklist, ceilings and anti-spoofing say.
//
// It knows the layout of the programs' maps (bpf/) and how to load, pin,
// adopt and read them. It does not know what a flood is or why a rule exists;
// internal/gate calls it through datapath.Datapath. What passes can be handed
// to AF_XDP sockets (SetSocket, SetInspection) and settled by flow (Verdicts). Maps and links are pinned,
// so everything keeps holding when the process is killed.
//
// It needs Linux 5.15, CAP_NET_ADMIN and CAP_BPF, and a little-endian machine.
package xdp
