/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Order of addresses (RFC 8305 §4). The resolver has sorted them by its policy (RFC 6724), which
 * often puts all of one family before all of the other; if that family does not work here, every
 * address of it would be waited for. So they alternate, each family in the order it came in.
 */

#include "client/address_list.h"

#include "host/address.h"

static bool has(const struct sw_address_list *list, const struct sw_address *address)
{
    for (size_t i = 0; i < list->n; i++)
        if (sw_address_same_host(&list->entries[i], address)) return true;
    return false;
}

/* The next address of the family from *at on; false: there is none. */
static bool next_of(const struct addrinfo **at, uint8_t family, struct sw_address *out)
{
    for (; *at != NULL; *at = (*at)->ai_next) {
        if (sw_address_from_sockaddr(out, (*at)->ai_addr) < 0 || out->family != family) continue;
        *at = (*at)->ai_next;
        return true;
    }
    return false;
}

static uint8_t first_family(const struct addrinfo *found)
{
    struct sw_address address;
    for (; found != NULL; found = found->ai_next)
        if (sw_address_from_sockaddr(&address, found->ai_addr) == 0) return address.family;
    return 4;
}

void sw_address_list_take(struct sw_address_list *list, const struct addrinfo *found)
{
    const struct addrinfo *at[2] = {found, found};
    const uint8_t first = first_family(found);
    const uint8_t family[2] = {first, first == 4 ? 6 : 4};
    bool more[2] = {true, true};
    list->n = 0;
    for (unsigned turn = 0; more[0] || more[1]; turn ^= 1) {
        struct sw_address address;
        do
            more[turn] = next_of(&at[turn], family[turn], &address);
        while (more[turn] && has(list, &address));
        if (!more[turn]) continue;
        if (list->n == SW_ADDRESS_LIST_MAX) return;
        list->entries[list->n++] = address;
    }
}
