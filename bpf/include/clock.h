/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The time by ticks. The tick counter is one load where even the coarse
 * clock is a call of 10 ns. User space measures how long a tick is and where
 * the counter stands against the monotonic clock. What must hold to the
 * moment (deadlines, heartbeat) asks the clock itself.
 */
#ifndef MASUGATA_CLOCK_H
#define MASUGATA_CLOCK_H

#include "maps.h"

static __always_inline __u64 tick_time(void)
{
	return bpf_jiffies64() * tick_ns + tick_base;
}

#endif
