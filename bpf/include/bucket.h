/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Token buckets in one word, refilled lazily: the generic cell rate
 * algorithm (ITU-T I.371, annex A). The word is the theoretical arrival time
 * of the next packet; a packet conforms when that is not more than the
 * tolerance ahead of now.
 */
#ifndef MASUGATA_BUCKET_H
#define MASUGATA_BUCKET_H

#include <linux/types.h>
#include <stdbool.h>

/* How far ceilings may run ahead, in ns: a quarter of a second's packets. */
#define CEILING_TOLERANCE 250000000ULL

/* Safe on several CPUs at once; a bucket that others change all the time
 * counts as empty. */
static __always_inline bool take_token(__u64 *tat, __u64 interval, __u64 tolerance, __u64 now)
{
	__u64 old = *(volatile __u64 *)tat;
	for (int i = 0; i < 4; i++) {
		__u64 base = old > now ? old : now;
		if (base - now > tolerance)
			return false;
		__u64 seen = __sync_val_compare_and_swap(tat, old, base + interval);
		if (seen == old)
			return true;
		old = seen;
	}
	return false;
}

#endif
