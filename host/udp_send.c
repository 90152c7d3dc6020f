/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * From a batch to the kernel (rules: docs/offload.md A.9, E.4, F.4, F.5).
 *
 * The sender keeps a position in the batch: everything before it is sent or dropped. Each round
 * turns what follows into messages, whole chunks where UDP_SEGMENT may be used and single datagrams
 * where not, and hands them to sendmmsg(2), which returns how many it took. A failing message makes
 * the call return the count before it; its errno appears when the next round starts with it. So an
 * errno always belongs to the first message of a round.
 *
 * When a message with UDP_SEGMENT fails with an error that UDP_SEGMENT can cause, its chunk goes
 * out as single datagrams. Only if the first of these passes is UDP_SEGMENT to blame:
 *
 *   - EMSGSIZE: the path's MTU is below the stride (single datagrams get fragmented). The peer is
 *     remembered for some minutes; its chunks with such strides go singly.
 *   - EIO, EINVAL, EOPNOTSUPP: the device or kernel cannot do it. UDP_SEGMENT is off for the socket
 *     and tried again after some minutes.
 *   - But before Linux 6.14 EINVAL also says what EMSGSIZE says since. It is taken for that as long
 *     as the stride is one that a narrow path may refuse and there are few such peers; or else one
 *     client on a narrow path would slow all others down.
 *
 * If the single datagram fails as well the chunk is dropped, counted, and nothing is learnt.
 *
 * EMSGSIZE is special in two ways. A connected socket also reports so that ICMP said "fragmentation
 * needed" about an earlier datagram; that is news about a probe, often forged news, and says
 * nothing of the message that the call was about: a second try tells the two apart. And the engine
 * wants to know what the link does not carry: probes, which leave by themselves and with DF, and
 * strides.
 */

#include "host/udp_send.h"

#include <errno.h>
#include <linux/udp.h>
#include <slipway/error.h>
#include <stdlib.h>
#include <string.h>

#include "host/address.h"

#define SW_LOG_TARGET "udp"
#include "host/log.h"

#define GSO_RETRY_AFTER  (10 * SW_MINUTE)
#define PEER_LIMIT_KEPT  (10 * SW_MINUTE)
#define PEER_LIMIT_COUNT 32
#define TOO_LONG_COUNT   8

/* Every path that carries IPv6 carries such datagrams: the least MTU less headers. */
#define SURE_STRIDE (1280 - 48)

union send_control {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
};

/* What one message carries: datagrams [first, first + count) of a chunk. */
struct piece {
    unsigned chunk, first, count;
};

struct peer_limit {
    struct sw_address peer;
    uint16_t max_stride;
    sw_time until;
};

struct sw_udp_sender {
    const struct sw_udp *udp;
    unsigned max_messages;
    struct sw_udp_send_counters *counters;

    /* Position: chunks before chunk are done, and so are the first datagram ones of it. */
    unsigned chunk, datagram;
    bool again;  /* EMSGSIZE once; the message has a second try */
    bool singly; /* this chunk goes as single datagrams … */
    int suspect; /* … because of this errno, still to be confirmed; 0: none */

    sw_time gso_off_until; /* 0: UDP_SEGMENT is in use … */
    bool gso_on_trial;     /* … again, but nothing passed yet */
    struct peer_limit limits[PEER_LIMIT_COUNT];
    unsigned n_limits;

    bool probing; /* the socket is set to it */
    struct {
        struct sw_path path;
        size_t len;
    } too_long[TOO_LONG_COUNT]; /* not yet reported */
    unsigned n_too_long;

    struct piece pieces[SW_UDP_SEND_MESSAGES];
    struct mmsghdr messages[SW_UDP_SEND_MESSAGES];
    struct iovec iov[SW_UDP_SEND_MESSAGES];
    struct sockaddr_storage names[SW_UDP_SEND_MESSAGES];
    union send_control control[SW_UDP_SEND_MESSAGES];
};

struct sw_udp_sender *sw_udp_sender_new(const struct sw_udp *udp,
                                        struct sw_udp_send_counters *counters,
                                        unsigned max_messages)
{
    struct sw_udp_sender *sender = calloc(1, sizeof *sender);
    if (sender == NULL) return NULL;
    sender->udp = udp;
    sender->counters = counters;
    sender->max_messages = max_messages;
    for (unsigned i = 0; i < SW_UDP_SEND_MESSAGES; i++) {
        sender->messages[i].msg_hdr.msg_iov = &sender->iov[i];
        sender->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return sender;
}

void sw_udp_sender_free(struct sw_udp_sender *sender)
{
    if (sender != NULL) sender->counters->gso_off = 0;
    free(sender);
}

/* --- what may go with UDP_SEGMENT --------------------------------------------------------------*/

static void forget_expired(struct sw_udp_sender *sender, sw_time now)
{
    if (sender->gso_off_until != 0 && now >= sender->gso_off_until) {
        sender->gso_off_until = 0;
        sender->counters->gso_off = 0;
        sender->gso_on_trial = true;
    }
    for (unsigned i = 0; i < sender->n_limits;) {
        if (now >= sender->limits[i].until)
            sender->limits[i] = sender->limits[--sender->n_limits];
        else
            i++;
    }
}

static struct peer_limit *limit_of(struct sw_udp_sender *sender, const struct sw_address *peer)
{
    for (unsigned i = 0; i < sender->n_limits; i++)
        if (sw_address_same_host(&sender->limits[i].peer, peer)) return &sender->limits[i];
    return NULL;
}

/* The table is for the few peers behind a narrow path; when it is full, the oldest is relearnt. */
static void limit_peer(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk,
                       sw_time now)
{
    struct peer_limit *limit = limit_of(sender, &chunk->path.remote);
    if (limit == NULL && sender->n_limits < PEER_LIMIT_COUNT) {
        limit = &sender->limits[sender->n_limits++];
    } else if (limit == NULL) {
        limit = &sender->limits[0];
        for (unsigned i = 1; i < sender->n_limits; i++)
            if (sender->limits[i].until < limit->until) limit = &sender->limits[i];
    }
    *limit = (struct peer_limit){chunk->path.remote, (uint16_t)(chunk->stride - 1),
                                 now + PEER_LIMIT_KEPT};
    sender->counters->gso_peer_limited++;
}

static bool may_segment(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk)
{
    if (chunk->count == 1 || sender->gso_off_until != 0) return false;
    const struct peer_limit *limit =
        sender->n_limits == 0 ? NULL : limit_of(sender, &chunk->path.remote);
    return limit == NULL || chunk->stride <= limit->max_stride;
}

/* When there is no room: one is enough to find the others out. */
static void note_too_long(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk)
{
    if (sender->n_too_long == TOO_LONG_COUNT) return;
    sender->too_long[sender->n_too_long].path = chunk->path;
    sender->too_long[sender->n_too_long++].len = chunk->stride;
}

static bool segmenting_may_cause(int error)
{
    return error == EMSGSIZE || error == EIO || error == EINVAL || error == EOPNOTSUPP;
}

static bool is_about_size(const struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk)
{
    if (sender->suspect != EINVAL) return sender->suspect == EMSGSIZE;
    return chunk->stride > SURE_STRIDE && sender->n_limits < PEER_LIMIT_COUNT;
}

/* A single datagram passed after its chunk had been refused with UDP_SEGMENT. */
static void learn(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk, sw_time now)
{
    char text[SW_ADDRESS_TEXT];
    if (is_about_size(sender, chunk)) {
        limit_peer(sender, chunk, now);
        note_too_long(sender, chunk);
        sw_log_rate(SW_LOG_INFO, "the path to %s takes no batches of %u-byte datagrams",
                    sw_address_host_text(&chunk->path.remote, text), chunk->stride);
    } else {
        sender->gso_off_until = now + GSO_RETRY_AFTER;
        sender->gso_on_trial = false;
        sender->counters->gso_latched++;
        sender->counters->gso_off = 1;
        sw_log_warn("the kernel refuses UDP_SEGMENT here (%s): datagrams go singly, next try in "
                    "%u minutes",
                    strerror(sender->suspect), (unsigned)(GSO_RETRY_AFTER / SW_MINUTE));
    }
    sender->suspect = 0;
}

/* --- messages ----------------------------------------------------------------------------------*/

static size_t piece_offset(const struct sw_batch_chunk *chunk, const struct piece *piece)
{
    return (size_t)piece->first * chunk->stride;
}

static size_t piece_len(const struct sw_batch_chunk *chunk, const struct piece *piece)
{
    size_t rest = chunk->len - piece_offset(chunk, piece);
    size_t full = (size_t)piece->count * chunk->stride;
    return rest < full ? rest : full;
}

/* Control data must be exactly as long as the messages in it (docs/offload.md A.8). */
static void put_control(struct msghdr *message, union send_control *control, int level, int type,
                        const void *data, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)(control->bytes + message->msg_controllen);
    memset(c, 0, CMSG_SPACE(len));
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    message->msg_controllen += CMSG_SPACE(len);
    message->msg_control = control;
}

static void put_source(struct sw_udp_sender *sender, struct msghdr *message,
                       union send_control *control, const struct sw_address *local)
{
    if (sender->udp->family == AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        put_control(message, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_addr = sw_address_to_in6(local),
                                   .ipi6_ifindex = local->scope};
        put_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void build_message(struct sw_udp_sender *sender, unsigned slot, const struct sw_batch *batch)
{
    const struct piece *piece = &sender->pieces[slot];
    const struct sw_batch_chunk *chunk = &batch->chunks[piece->chunk];
    struct msghdr *message = &sender->messages[slot].msg_hdr;

    sender->iov[slot] = (struct iovec){batch->buffer + chunk->offset + piece_offset(chunk, piece),
                                       piece_len(chunk, piece)};
    message->msg_name = NULL;
    message->msg_namelen = 0;
    if (!sender->udp->connected) {
        message->msg_name = &sender->names[slot];
        message->msg_namelen =
            sw_address_to_sockaddr(&chunk->path.remote, sender->udp->family, &sender->names[slot]);
    }
    message->msg_control = NULL;
    message->msg_controllen = 0;
    if (sender->udp->pktinfo && chunk->path.local.family != 0)
        put_source(sender, message, &sender->control[slot], &chunk->path.local);
    if (piece->count > 1)
        put_control(message, &sender->control[slot], IPPROTO_UDP, UDP_SEGMENT, &chunk->stride,
                    sizeof chunk->stride);
}

/* False: the socket cannot be made to send such datagrams. */
static bool switch_probing(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk)
{
    if (sw_udp_set_probing(sender->udp, chunk->probe) < 0 && chunk->probe) return false;
    sender->probing = chunk->probe;
    return true;
}

/* Turns the batch from the position on into messages; how many, all of them probes or none. 0: the
 * next is a probe that cannot be sent as such. */
static unsigned build(struct sw_udp_sender *sender, const struct sw_batch *batch)
{
    unsigned n = 0;
    struct piece next = {sender->chunk, sender->datagram, 0};
    bool singly = sender->singly;
    while (next.chunk < batch->count && n < sender->max_messages) {
        const struct sw_batch_chunk *chunk = &batch->chunks[next.chunk];
        if (chunk->probe != sender->probing && (n > 0 || !switch_probing(sender, chunk))) break;
        if (next.first == 0 && !singly) singly = !may_segment(sender, chunk);
        next.count = singly ? 1 : chunk->count;
        sender->pieces[n] = next;
        build_message(sender, n++, batch);
        next.first += next.count;
        if (next.first == chunk->count) {
            next = (struct piece){next.chunk + 1, 0, 0};
            singly = false;
        }
    }
    return n;
}

/* --- progress ----------------------------------------------------------------------------------*/

static void move_past(struct sw_udp_sender *sender, const struct sw_batch *batch,
                      const struct piece *piece)
{
    sender->again = false;
    sender->chunk = piece->chunk;
    sender->datagram = piece->first + piece->count;
    sender->singly = sender->datagram < batch->chunks[piece->chunk].count;
    if (!sender->singly) {
        sender->chunk++;
        sender->datagram = 0;
        sender->suspect = 0;
    }
}

static void count_sent(struct sw_udp_sender *sender, const struct sw_batch_chunk *chunk,
                       const struct piece *piece)
{
    sender->counters->messages++;
    sender->counters->datagrams += piece->count;
    sw_histogram_add(&sender->counters->batch_size, piece->count);
    sender->counters->bytes += piece_len(chunk, piece);
    if (piece->count == 1) return;
    sender->counters->gso_messages++;
    sender->counters->gso_datagrams += piece->count;
    if (!sender->gso_on_trial) return;
    sender->gso_on_trial = false;
    sw_log_info("the kernel takes UDP_SEGMENT again");
}

static void count_dropped(struct sw_udp_sender *sender, int error, unsigned datagrams)
{
    static const struct {
        int error;
        enum sw_udp_drop reason;
    } table[] = {
        {ENOBUFS, SW_UDP_DROP_NO_BUFFERS},        {ENOMEM, SW_UDP_DROP_NO_BUFFERS},
        {EMSGSIZE, SW_UDP_DROP_TOO_LONG},         {ENETUNREACH, SW_UDP_DROP_UNREACHABLE},
        {EHOSTUNREACH, SW_UDP_DROP_UNREACHABLE},  {ENETDOWN, SW_UDP_DROP_UNREACHABLE},
        {EADDRNOTAVAIL, SW_UDP_DROP_UNREACHABLE}, {ECONNREFUSED, SW_UDP_DROP_REFUSED},
        {EPERM, SW_UDP_DROP_FORBIDDEN},           {EACCES, SW_UDP_DROP_FORBIDDEN},
    };
    enum sw_udp_drop reason = SW_UDP_DROP_OTHER;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].error == error) reason = table[i].reason;
    sender->counters->dropped[reason] += datagrams;
    sw_log_rate(SW_LOG_DEBUG, "%u datagrams not sent: %s", datagrams, strerror(error));
}

/* The kernel refused the first message of the round. */
static void handle_refusal(struct sw_udp_sender *sender, const struct sw_batch *batch, int error)
{
    struct piece piece = sender->pieces[0];
    const struct sw_batch_chunk *chunk = &batch->chunks[piece.chunk];
    if (error == EMSGSIZE && !sender->again) {
        sender->again = true;
        return;
    }
    sender->again = false;
    if (piece.count > 1 && segmenting_may_cause(error)) {
        sender->counters->gso_send_failed++;
        sender->singly = true;
        sender->suspect = error;
        return;
    }
    if (error == EMSGSIZE) note_too_long(sender, chunk);
    if (chunk->probe && error == EMSGSIZE) { /* an answer like another */
        move_past(sender, batch, &piece);
        return;
    }
    if (sender->suspect != 0) piece.count = batch->chunks[piece.chunk].count - piece.first;
    count_dropped(sender, error, piece.count);
    move_past(sender, batch, &piece);
}

/* All that is left of the batch. */
static int send_rest(struct sw_udp_sender *sender, const struct sw_batch *batch, sw_time now)
{
    while (sender->chunk < batch->count) {
        unsigned n = build(sender, batch);
        if (n == 0) {
            const struct piece probe = {sender->chunk, 0, 1};
            count_dropped(sender, EOPNOTSUPP, 1);
            move_past(sender, batch, &probe);
            continue;
        }
        int sent = sender->udp->sys->sendmmsg(sender->udp->fd, sender->messages, n, MSG_DONTWAIT);
        sender->counters->calls++;
        if (sent < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) {
                sender->counters->blocked++;
                return SW_EAGAIN;
            }
            handle_refusal(sender, batch, errno);
            continue;
        }
        for (int i = 0; i < sent; i++) {
            const struct piece *piece = &sender->pieces[i];
            if (sender->suspect != 0) learn(sender, &batch->chunks[piece->chunk], now);
            count_sent(sender, &batch->chunks[piece->chunk], piece);
            move_past(sender, batch, piece);
        }
    }
    return 0;
}

int sw_udp_sender_flush(struct sw_udp_sender *sender, struct sw_batch *batch, sw_time now)
{
    if (batch->count == 0) return 0;
    if (sender->gso_off_until != 0 || sender->n_limits != 0) forget_expired(sender, now);
    int result = send_rest(sender, batch, now);
    if (sender->probing) {
        sw_udp_set_probing(sender->udp, false);
        sender->probing = false;
    }
    if (result < 0) return result;
    sw_batch_clear(batch);
    sender->chunk = 0;
    sender->datagram = 0;
    return 0;
}

bool sw_udp_sender_report(struct sw_udp_sender *sender, struct sw_engine *engine, sw_time now)
{
    bool told = sender->n_too_long > 0;
    while (sender->n_too_long > 0) {
        unsigned i = --sender->n_too_long;
        sw_engine_too_long(engine, &sender->too_long[i].path, sender->too_long[i].len, now);
    }
    return told;
}
