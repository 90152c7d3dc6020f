/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_TOOLS_TOOL_NET_H
#define SW_TOOLS_TOOL_NET_H

/*
 * What the tools share: IPv4 addresses on the command line, a seeded generator, the clock, and the
 * files in which one tool records datagrams for the other: for each a 16-bit big-endian length and
 * its bytes.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TOOL_DATAGRAM 65535

/** SplitMix64: any seed, also 0, starts a good sequence. */
struct tool_random {
    uint64_t state;
};

uint64_t tool_random(struct tool_random *random);

/** Evenly from 0 to below - 1; 0 if below is 0. */
uint64_t tool_random_below(struct tool_random *random, uint64_t below);

/** True with this probability, 0 to 1. */
bool tool_random_chance(struct tool_random *random, double probability);

void tool_random_bytes(struct tool_random *random, uint8_t *out, size_t len);

/** "192.0.2.1:27690". False if it is something else. */
bool tool_parse_address(const char *text, struct sockaddr_in *address);

/** A decimal number within bounds. False if it is something else. */
bool tool_parse_number(const char *text, double min, double max, double *number);

/** Nanoseconds of CLOCK_MONOTONIC. */
int64_t tool_now(void);

/** Appends one datagram to a record file. False on a write error. */
bool tool_record_write(FILE *file, const uint8_t *data, size_t len);

/** Reads the next datagram into out, which has room for TOOL_DATAGRAM bytes. -1: no more. */
int tool_record_read(FILE *file, uint8_t *out);

#endif
