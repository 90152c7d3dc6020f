/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_DURATION_H
#define SW_HOST_DURATION_H

#include <slipway/types.h>
#include <stdio.h>

/** Longest duration that is accepted (292 years): a deadline of now + duration cannot overflow. */
#define SW_DURATION_MAX ((sw_time)INT64_MAX)

/**
 * Reads text such as "1h 30m", "1.5s" or "0" into nanoseconds. Returns 0 or SW_EINVAL, *duration
 * then untouched.
 */
int sw_duration_parse(const char *text, sw_time *duration);

/** Prints in the form that sw_duration_parse() reads, largest units first: "1day 2h", "0s". */
void sw_duration_print(sw_time duration, FILE *out);

#endif
