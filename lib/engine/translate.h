/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_ENGINE_TRANSLATE_H
#define SW_ENGINE_TRANSLATE_H

/*
 * Address translation (docs/protocol/session.md §20): all clients may use the same TUN address; the
 * server maps. Rewrites addresses in place and keeps IPv4, TCP, UDP, UDP-Lite, DCCP checksums
 * right, and the packet embedded in an ICMP error.
 */

#include <slipway/error.h>
#include <slipway/types.h>

/** One rewrite; addresses in host byte order. */
struct sw_translation {
    uint32_t set;       /**< the new address */
    uint32_t dns_match; /**< the other address of the packet, if equal to this (0: none) … */
    uint32_t dns_set;   /**< … becomes this */
};

/**
 * Source becomes t->set; destination dns_match becomes dns_set (client: TUN to tunnel; server:
 * tunnel to TUN). In an ICMP error the embedded packet's destination is mapped like the outer
 * source, and its source dns_match like the outer destination. SW_EPACKET if it is no whole IPv4
 * packet. super: transport checksums are left alone, segments are summed from scratch.
 */
int sw_translate_source(uint8_t *packet, size_t len, const struct sw_translation *t, bool super);

/**
 * The mirror: destination becomes t->set; source dns_match becomes dns_set (server: TUN to tunnel;
 * client: tunnel to TUN).
 */
int sw_translate_destination(uint8_t *packet, size_t len, const struct sw_translation *t,
                             bool super);

#endif
