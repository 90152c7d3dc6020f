/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_PROXY_HEADER_H
#define SW_HOST_PROXY_HEADER_H

/*
 * The PROXY protocol header, versions 1 (text) and 2 (binary), that a load balancer puts in front
 * of a TCP connection to say who its client is (docs/protocol/wire.md §5.1). Pure.
 */

#include <slipway/types.h>

#include "lib/base/cursor.h"

/** As many bytes decide: the longest version 1 line; the addresses of version 2 need 52. */
#define SW_PROXY_HEADER_DECIDES 107

struct sw_proxy_header {
    struct sw_address source; /**< family 0: says nothing of the client (LOCAL, UNKNOWN, …) */
    size_t len;               /**< of the header, from its first byte to its last */
};

/**
 * Reads the header that c begins with; its end need not be there yet, and is not in c while
 * out->len is larger than it. 0; SW_ESHORT: it cannot be told yet, never so with
 * SW_PROXY_HEADER_DECIDES bytes, and then all of c belongs to the header; SW_EMAGIC: something
 * else; SW_EVERSION, SW_EKIND, SW_EADDRESS, SW_ETOOLARGE: a header that is malformed.
 */
int sw_proxy_header_decode(struct sw_cursor c, struct sw_proxy_header *out);

#endif
