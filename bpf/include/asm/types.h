/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The programs are for the bpf machine, not for the one they are built on. */
#include <asm-generic/types.h>
