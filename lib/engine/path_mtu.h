/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_PATH_MTU_H
#define SW_ENGINE_PATH_MTU_H

/*
 * A connection and the size of its path: what goes in one datagram, and the search for it
 * (docs/protocol/session.md §17 to §19).
 */

#include "lib/engine/conn.h"

/** What the outer IP, UDP and Lightway headers take of an outside packet on this path. */
size_t sw_outer_headers(const struct sw_path *path);

/** The connection was made, or its path changed. */
void sw_path_mtu_init(struct sw_conn *conn);

/** It is Online: begins to search if it shall. */
void sw_path_mtu_online(struct sw_conn *conn);

/** A Pong with an id other than 0. */
void sw_path_mtu_pong(struct sw_conn *conn, uint16_t id);

/** SW_TIMER_PATH_MTU. */
void sw_path_mtu_timer(struct sw_conn *conn);

/** The path may be another, or may carry less than before: limits are brought up to date, and the
 * result is asked for again. */
void sw_path_mtu_recheck(struct sw_conn *conn);

/** Largest segment that the ends of an inside TCP connection may agree on. */
uint16_t sw_path_mtu_mss(const struct sw_conn *conn);

#endif
