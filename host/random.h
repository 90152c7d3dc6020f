/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_RANDOM_H
#define SW_HOST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/**
 * Fills out with len bytes from the kernel's cryptographic generator. Ends the process if the
 * kernel has none to give: no caller could go on safely.
 */
void sw_random_fill(uint8_t *out, size_t len);

/** The same in the shape of the library's random callbacks; user is not looked at. */
void sw_random_callback(void *user, uint8_t *out, size_t len);

/** A uniformly distributed number below limit, which is at least 1. Not for secrets. */
uint32_t sw_random_below(uint32_t limit);

#endif
