/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Packets of a peer on their way to the TUN (docs/offload.md C.2, F.13). Whatever is merged must
 * come apart again into the very packets that went in, those of one flow in their order.
 *
 * The input is a list of orders, eight bytes each: begin anew, flush, or push a packet made to
 * measure (so that checksums are right and runs come about) after changing a byte of it; the raw
 * kind takes the packet itself from the input.
 */

#include "tests/unit/coalesce_check.h"

#define ORDER       8
#define PACKETS_MAX 300

enum kind { RAW, FLUSH, SWITCH, TCP, UDP_KIND, KINDS = 8 };

struct sender {
    uint16_t id;
    uint32_t sequence;
};

static size_t push_raw(struct checked *k, const uint8_t *order, const uint8_t *rest, size_t left)
{
    size_t len = sw_get_be16(order + 1) % 2048;
    if (len > left) len = left;
    checked_push(k, rest, len);
    return len;
}

/* kind, flow and size class, flags, payload (2), what to change (offset, bits), repair */
static void push_made(struct checked *k, struct sender *senders, const uint8_t *order)
{
    static uint8_t packet[65535];
    struct sender *s = &senders[order[1] % 32];
    bool tcp = order[0] % KINDS != UDP_KIND;
    struct recipe r = {
        .protocol = tcp ? 6 : 17,
        .flow = order[1] % 32,
        .id = s->id,
        .sequence = s->sequence,
        .flags = order[2],
        .payload = sw_get_be16(order + 3) % (order[1] >= 0xf8 ? 65496 : 2048),
        .content = order[5],
    };
    if (tcp && r.payload < 65536 - 80) r.options = order[7] >> 4 <= 10 ? (order[7] >> 4) * 4u : 0;
    size_t len = build(&r, packet);

    packet[order[5] % 80 % len] ^= order[6];
    if ((order[7] & 1) != 0) checksum_ip(packet);
    if ((order[7] & 2) != 0 && packet[9] == r.protocol) checksum_transport(packet, len);
    checked_push(k, packet, len);
    s->id = (uint16_t)(r.id + 1);
    s->sequence = r.sequence + (uint32_t)r.payload;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct checked *k;
    struct sender senders[32] = {{0, 0}};
    if (k == NULL) k = checked_new();
    sw_coalesce_allow(k->c, true, true);

    while (size >= ORDER && k->pushed < PACKETS_MAX) {
        const uint8_t *order = data;
        data += ORDER;
        size -= ORDER;
        size_t used = 0;
        switch (order[0] % KINDS) {
        case RAW:
            used = push_raw(k, order, data, size);
            break;
        case FLUSH:
            sw_coalesce_flush(k->c);
            break;
        case SWITCH:
            sw_coalesce_allow(k->c, (order[1] & 1) != 0, (order[1] & 2) != 0);
            break;
        default:
            push_made(k, senders, order);
            break;
        }
        data += used;
        size -= used;
    }
    sw_coalesce_flush(k->c);
    CHECKED(checked_order_ok(k));
    CHECKED(checked_counters_ok(k));
    checked_clear(k);
    return 0;
}
