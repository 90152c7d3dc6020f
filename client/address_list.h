/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_CLIENT_ADDRESS_LIST_H
#define SW_CLIENT_ADDRESS_LIST_H

/* The addresses of one server name, in the order in which they are tried. Pure. */

#include <netdb.h>
#include <slipway/types.h>

#define SW_ADDRESS_LIST_MAX 16 /**< more of one name are not tried */

struct sw_address_list {
    struct sw_address entries[SW_ADDRESS_LIST_MAX];
    size_t n;
};

/**
 * What a resolver found, without duplicates and with the families interleaved, beginning with the
 * one of the first (RFC 8305 §4).
 */
void sw_address_list_take(struct sw_address_list *list, const struct addrinfo *found);

#endif
