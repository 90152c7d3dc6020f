/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_ADDRESS_MAP_H
#define SW_HOST_ADDRESS_MAP_H

/*
 * Which part of the pool of inside addresses is kept for the clients of which address of the server
 * (option ip_map). Parts are numbered from 1; 0 is the rest of the pool, for everybody else.
 */

#include "host/option_types.h"

struct sw_address_map;

/**
 * The map of n entries for a pool. Addresses with the same network share it. On failure NULL and
 * one sentence in why: a network that is not part of the pool, two that overlap, an address with
 * two networks, no memory.
 */
struct sw_address_map *sw_address_map_new(const struct sw_ip_map_entry *entries, size_t n,
                                          const struct sw_ipv4_net *pool, char *why,
                                          size_t why_size);
void sw_address_map_free(struct sw_address_map *map);

/** How many parts there are, the rest not counted; 0 for map NULL. */
unsigned sw_address_map_parts(const struct sw_address_map *map);

/** First and last address of a part in host byte order; parts ascend. */
void sw_address_map_range(const struct sw_address_map *map, unsigned part, uint32_t *first,
                          uint32_t *last);

/** The part for clients that came to this address, or 0; the port is not looked at. map may be
 * NULL. */
unsigned sw_address_map_part(const struct sw_address_map *map, const struct sw_address *incoming);

/** The part that an inside address (host byte order) belongs to, or 0. map may be NULL. */
unsigned sw_address_map_part_of(const struct sw_address_map *map, uint32_t ip);

#endif
