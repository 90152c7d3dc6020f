/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Two sorted arrays, searched by halves: the server's addresses, and the networks kept for them.
 * Networks either are the same or have nothing in common, so their order is plain, and an inside
 * address is in at most one. A server's IPv4 address may be written as an IPv4-mapped IPv6 one.
 */

#include "host/address_map.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"

struct part {
    uint32_t first, last; /* host byte order */
};

struct incoming {
    uint8_t family;
    uint8_t ip[16];
    unsigned part;
};

struct sw_address_map {
    struct part *parts; /* ascending; number 1 is the first */
    unsigned n_parts;
    struct incoming *incoming; /* ascending */
    size_t n_incoming;
};

static struct part range_of(const struct sw_ipv4_net *net)
{
    uint32_t first = ntohl(net->address.s_addr);
    uint32_t host_bits = net->prefix == 0 ? UINT32_MAX : (UINT32_C(1) << (32 - net->prefix)) - 1;
    return (struct part){first, first | host_bits};
}

static struct incoming key_of(const struct sw_address *address)
{
    struct in6_addr v6 = sw_address_to_in6(address);
    struct sw_address plain = sw_address_from_in6(&v6, 0, 0);
    struct incoming key = {.family = plain.family};
    memcpy(key.ip, plain.ip, sizeof key.ip);
    return key;
}

static int compare_parts(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a->last < b->last ? -1 : a->last > b->last;
}

static int compare_incoming(const void *left, const void *right)
{
    const struct incoming *a = left, *b = right;
    if (a->family != b->family) return a->family < b->family ? -1 : 1;
    return memcmp(a->ip, b->ip, sizeof a->ip);
}

static const char *net_text(const struct sw_ipv4_net *net, char out[SW_ADDRESS_TEXT])
{
    char ip[SW_ADDRESS_TEXT];
    snprintf(out, SW_ADDRESS_TEXT, "%.60s/%u", sw_ipv4_text(ntohl(net->address.s_addr), ip),
             net->prefix);
    return out;
}

static const char *part_text(const struct part *part, char out[SW_ADDRESS_TEXT])
{
    const struct sw_ipv4_net net = {
        .address = {.s_addr = htonl(part->first)},
        .prefix = (uint8_t)__builtin_popcount(~(part->first ^ part->last)),
    };
    return net_text(&net, out);
}

static bool fail(char *why, size_t why_size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return false;
}

/* Sorts the networks, each once. */
static bool put_parts(struct sw_address_map *map, const struct sw_ip_map_entry *entries, size_t n,
                      const struct sw_ipv4_net *pool, char *why, size_t why_size)
{
    char text[SW_ADDRESS_TEXT], other[SW_ADDRESS_TEXT];
    struct part all = range_of(pool);

    for (size_t i = 0; i < n; i++) {
        map->parts[i] = range_of(&entries[i].net);
        if (map->parts[i].first < all.first || map->parts[i].last > all.last)
            return fail(why, why_size, "%s is not part of ip_pool, which is %s",
                        net_text(&entries[i].net, text), net_text(pool, other));
    }
    qsort(map->parts, n, sizeof *map->parts, compare_parts);
    for (size_t i = 0; i < n; i++) {
        const struct part *next = &map->parts[i];
        struct part *last = map->n_parts > 0 ? &map->parts[map->n_parts - 1] : NULL;
        if (last != NULL && compare_parts(last, next) == 0) continue;
        if (last != NULL && next->first <= last->last)
            return fail(why, why_size, "%s and %s overlap", part_text(last, text),
                        part_text(next, other));
        map->parts[map->n_parts++] = *next;
    }
    return true;
}

static bool put_incoming(struct sw_address_map *map, const struct sw_ip_map_entry *entries,
                         size_t n, char *why, size_t why_size)
{
    char text[SW_ADDRESS_TEXT];

    for (size_t i = 0; i < n; i++) {
        map->incoming[i] = key_of(&entries[i].incoming);
        map->incoming[i].part = sw_address_map_part_of(map, ntohl(entries[i].net.address.s_addr));
    }
    qsort(map->incoming, n, sizeof *map->incoming, compare_incoming);
    for (size_t i = 0; i < n; i++) {
        struct incoming *next = &map->incoming[i];
        struct incoming *last = map->n_incoming > 0 ? &map->incoming[map->n_incoming - 1] : NULL;
        if (last != NULL && compare_incoming(last, next) == 0) {
            struct sw_address address = {.family = next->family};
            memcpy(address.ip, next->ip, sizeof address.ip);
            if (last->part == next->part) continue;
            return fail(why, why_size, "%s has two networks", sw_address_host_text(&address, text));
        }
        map->incoming[map->n_incoming++] = *next;
    }
    return true;
}

struct sw_address_map *sw_address_map_new(const struct sw_ip_map_entry *entries, size_t n,
                                          const struct sw_ipv4_net *pool, char *why,
                                          size_t why_size)
{
    struct sw_address_map *map = calloc(1, sizeof *map);
    if (map == NULL) goto no_memory;
    map->parts = calloc(n + 1, sizeof *map->parts);
    map->incoming = calloc(n + 1, sizeof *map->incoming);
    if (map->parts == NULL || map->incoming == NULL) goto no_memory;
    if (put_parts(map, entries, n, pool, why, why_size) &&
        put_incoming(map, entries, n, why, why_size))
        return map;
    sw_address_map_free(map);
    return NULL;

no_memory:
    snprintf(why, why_size, "out of memory");
    sw_address_map_free(map);
    return NULL;
}

void sw_address_map_free(struct sw_address_map *map)
{
    if (map == NULL) return;
    free(map->incoming);
    free(map->parts);
    free(map);
}

unsigned sw_address_map_parts(const struct sw_address_map *map)
{
    return map != NULL ? map->n_parts : 0;
}

void sw_address_map_range(const struct sw_address_map *map, unsigned part, uint32_t *first,
                          uint32_t *last)
{
    *first = map->parts[part - 1].first;
    *last = map->parts[part - 1].last;
}

unsigned sw_address_map_part(const struct sw_address_map *map, const struct sw_address *incoming)
{
    if (map == NULL || map->n_incoming == 0) return 0;
    struct incoming key = key_of(incoming);
    const struct incoming *found =
        bsearch(&key, map->incoming, map->n_incoming, sizeof key, compare_incoming);
    return found != NULL ? found->part : 0;
}

unsigned sw_address_map_part_of(const struct sw_address_map *map, uint32_t ip)
{
    unsigned low = 0, high = sw_address_map_parts(map);
    while (low < high) { /* the first part that ends at ip or later */
        unsigned middle = low + (high - low) / 2;
        if (map->parts[middle].last < ip)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sw_address_map_parts(map) && map->parts[low].first <= ip ? low + 1 : 0;
}
