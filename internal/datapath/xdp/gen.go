package xdp

// The objects are committed; making them anew needs clang 14, llvm-strip 14
// and libbpf's headers (Debian: clang-14 llvm-14 libbpf-dev), and gives the
// same bytes. Those with the suffix _test are for the benchmark.

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" inside ../../../bpf/gate_inside.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" outside ../../../bpf/gate_outside.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -output-stem clock -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" clockProbe ../../../bpf/clock_probe.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -output-suffix _test -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" generate ../../../bpf/bench_generate.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -output-suffix _test -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" bare ../../../bpf/bench_forward.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -go-package xdp -no-global-types -output-suffix _test -cflags "-O2 -g -Wall -Werror -mcpu=v3 -I../../../bpf/include" sink ../../../bpf/bench_sink.c
