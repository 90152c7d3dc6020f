/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SW_HOST_ADDRESS_H
#define SW_HOST_ADDRESS_H

/*
 * Between the library's addresses, the kernel's and text. An IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d), which is how an IPv6 socket shows IPv4 peers, becomes a family 4 address, so
 * that one peer has one address whatever socket it came through.
 */

#include <netinet/in.h>
#include <slipway/types.h>

/** Longest text of an address with port, with its terminating zero. */
#define SW_ADDRESS_TEXT 72

/** SW_EINVAL if it is neither IPv4 nor IPv6; *out is family 0 then. */
int sw_address_from_sockaddr(struct sw_address *out, const struct sockaddr *from);

struct sw_address sw_address_from_in(struct in_addr ip, uint16_t port);
/** scope counts only if ip is link-local. */
struct sw_address sw_address_from_in6(const struct in6_addr *ip, uint16_t port, uint32_t scope);

/**
 * For a socket of the given family (AF_INET or AF_INET6; the latter takes IPv4 addresses in their
 * mapped form). Returns the length, or 0 if the socket cannot speak to that address.
 */
socklen_t sw_address_to_sockaddr(const struct sw_address *from, int socket_family,
                                 struct sockaddr_storage *out);

/** The IPv6 form of either family. */
struct in6_addr sw_address_to_in6(const struct sw_address *from);

/** AF_INET, AF_INET6, or AF_UNSPEC for family 0. */
int sw_address_family(const struct sw_address *address);

/** True for 0.0.0.0, :: and family 0. */
bool sw_address_is_any(const struct sw_address *address);

/** Whether ip and scope are equal; ports are not looked at. */
bool sw_address_same_host(const struct sw_address *a, const struct sw_address *b);

/** "192.0.2.1:27690", "[2001:db8::1]:27690", "[fe80::1%2]:27690", "none". Returns out. */
const char *sw_address_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT]);

/** The same without port and brackets. */
const char *sw_address_host_text(const struct sw_address *address, char out[SW_ADDRESS_TEXT]);

/** "10.125.0.1" of an address in host byte order. */
const char *sw_ipv4_text(uint32_t ip, char out[SW_ADDRESS_TEXT]);

#define SW_SESSION_TEXT 17

/** 16 hexadecimal digits. Returns out. */
const char *sw_session_text(struct sw_session_id session, char out[SW_SESSION_TEXT]);

#endif
