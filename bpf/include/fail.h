/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The fail mode: what passes while the gate's process is not alive. */
#ifndef MASUGATA_FAIL_H
#define MASUGATA_FAIL_H

#include "maps.h"

/* Whether frames of the device pass when nobody is there to judge them. */
static __always_inline bool fail_trusts(const struct config *c, __u32 device)
{
	if (!(c->features & (FEATURE_FAIL_CLOSED | FEATURE_FAIL_UNTRUSTED)))
		return true;
	if (c->features & FEATURE_FAIL_CLOSED)
		return false;
	struct device_shared *d = bpf_map_lookup_elem(&device_shared, &device);
	return d && d->trusted;
}

/* Whether the fail mode lets frames of the device through. It holds only
 * while the heartbeat is missing. */
static __always_inline bool fail_allows(const struct config *c, __u32 device)
{
	if (!(c->features & (FEATURE_FAIL_CLOSED | FEATURE_FAIL_UNTRUSTED)))
		return true;
	if ((__s64)(bpf_ktime_get_coarse_ns() - c->heartbeat) < (__s64)HEARTBEAT_TIMEOUT)
		return true;
	return fail_trusts(c, device);
}

#endif
