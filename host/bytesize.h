/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_BYTESIZE_H
#define SW_HOST_BYTESIZE_H

#include <stdint.h>
#include <stdio.h>

/**
 * Reads "1500", "15MiB", "1.5 mb" and the like into bytes; decimals are cut to whole bytes. Returns
 * 0 or SW_EINVAL, *size then untouched.
 */
int sw_bytesize_parse(const char *text, uint64_t *size);

/** Prints the exact number in the largest binary unit that divides it: "15MiB", "1500B". */
void sw_bytesize_print(uint64_t size, FILE *out);

#endif
