/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * What reaches a worker from other threads: mail of other workers (host/mailbox.h) and calls. Both
 * ring the worker's bell, a uv_async_t, which costs the sender a system call; so mail is written
 * at once and the bells are rung at the end of the wake-up, one per receiver.
 *
 * A bell that is still ringing is not rung again: uv_async_send() looks at a flag first, without
 * any ordering. So a full barrier stands between what was written for the receiver and that look,
 * and another between the receiver's clearing of the flag and its own look; else a processor might
 * let both look too early, and what was written would wait for the next bell.
 *
 * A packet that finds no room on its way out stays in its box as the held one, and what is behind
 * it waits with it; when the box is full, senders drop and count. So a worker that is behind holds
 * up nobody else.
 */

#include <slipway/error.h>
#include <string.h>

#include "host/crew.h"
#include "host/worker_internal.h"
#include "lib/base/bytes.h"

/* --- sending -----------------------------------------------------------------------------------*/

static bool put(struct sw_worker *worker, unsigned to, const struct sw_mail *mail)
{
    const struct sw_crew *crew = worker->config.crew;
    if (!sw_mailboxes_put(crew->mail, worker->config.index, to, mail)) {
        worker->counters.mail_full++;
        return false;
    }
    worker->bells |= UINT64_C(1) << to;
    return true;
}

static void full_barrier(void)
{
    __sync_synchronize(); /* compilers warn of atomic_thread_fence() under ThreadSanitizer */
}

static void ring(struct sw_worker *worker)
{
    full_barrier();
    uv_async_send(&worker->bell);
}

/* How many connections this worker has, for those who place new ones. always: even if it is what
 * was told last, for others have counted what they placed here. */
static void tell_connections(struct sw_worker *worker, bool always)
{
    struct sw_crew *crew = worker->config.crew;
    if (crew == NULL || worker->engine == NULL) return;
    const struct sw_engine_counters *counters = sw_engine_counters(worker->engine);
    uint64_t connections = counters->conn_created - counters->conn_closed;
    if (connections == worker->connections && !always) return;
    worker->connections = connections;
    atomic_store_explicit(&crew->connections[worker->config.index], connections,
                          memory_order_relaxed);
}

void sw_worker_ring_bells(struct sw_worker *worker)
{
    tell_connections(worker, false);
    for (; worker->bells != 0; worker->bells &= worker->bells - 1)
        ring(worker->config.crew->workers[__builtin_ctzll(worker->bells)]);
}

bool sw_worker_mail_inside(struct sw_worker *worker, const struct sw_inside_packet *packet)
{
    const struct sw_crew *crew = worker->config.crew;
    if (crew == NULL || worker->config.ops->owner == NULL) return false;
    uint32_t destination = sw_get_be32(packet->data + SW_IPV4_DESTINATION);
    unsigned owner = worker->config.ops->owner(worker->config.user, destination);
    if (owner >= crew->count || owner == worker->config.index) return false;
    const struct sw_mail mail = {.kind = SW_MAIL_INSIDE,
                                 .len = (uint32_t)packet->len,
                                 .vnet = packet->vnet,
                                 .data = packet->data};
    if (put(worker, owner, &mail)) worker->counters.mail_inside++;
    return true;
}

void sw_worker_mail_datagram(struct sw_worker *worker, unsigned to, const struct sw_path *path,
                             const uint8_t *data, size_t len)
{
    const struct sw_mail mail = {.kind = SW_MAIL_DATAGRAM,
                                 .len = (uint32_t)len,
                                 .path = *path,
                                 .data = (uint8_t *)(uintptr_t)data};
    if (put(worker, to, &mail)) worker->counters.mail_datagrams++;
}

void sw_worker_mail_address_taken(struct sw_worker *worker, const struct sw_path *path)
{
    const struct sw_crew *crew = worker->config.crew;
    if (crew == NULL) return;
    const struct sw_mail mail = {.kind = SW_MAIL_ADDRESS_TAKEN, .path = *path};
    for (unsigned to = 0; to < crew->count; to++)
        if (to != worker->config.index) put(worker, to, &mail);
}

/* Staying costs nothing, so it takes a worker with fewer connections, not one with as many. The one
 * chosen is counted one higher at once: it takes a moment until it tells its own number. */
unsigned sw_worker_place(struct sw_worker *worker)
{
    struct sw_crew *crew = worker->config.crew;
    unsigned best = worker->config.index;
    if (crew == NULL || !crew->placing) return best;
    tell_connections(worker, false);
    uint64_t least = worker->connections;
    for (unsigned i = 0; i < crew->count; i++) {
        uint64_t n = atomic_load_explicit(&crew->connections[i], memory_order_relaxed);
        if (n >= least) continue;
        least = n;
        best = i;
    }
    if (best != worker->config.index) {
        atomic_fetch_add_explicit(&crew->connections[best], 1, memory_order_relaxed);
        worker->counters.placed++;
    }
    return best;
}

bool sw_worker_place_stream(struct sw_worker *worker, int fd, const struct sw_path *path)
{
    unsigned to = sw_worker_place(worker);
    const struct sw_mail mail = {
        .kind = SW_MAIL_STREAM, .len = sizeof fd, .path = *path, .data = (uint8_t *)&fd};
    if (to == worker->config.index || !put(worker, to, &mail)) return false;
    sw_worker_ring_bells(worker);
    return true;
}

/* --- receiving ---------------------------------------------------------------------------------*/

/* What taking it costs of the work of a wake-up; 0: it has to wait. */
static int take(struct sw_worker *worker, struct sw_mail *mail, unsigned from, sw_time now)
{
    int fd;
    switch (mail->kind) {
    case SW_MAIL_DATAGRAM:
        if (worker->engine != NULL)
            sw_engine_foreign_datagram(worker->engine, &mail->path, mail->data, mail->len, now);
        return 1;
    case SW_MAIL_ADDRESS_TAKEN:
        if (worker->engine != NULL)
            sw_engine_address_taken(worker->engine, &mail->path.remote, now);
        return 1;
    case SW_MAIL_STREAM:
        memcpy(&fd, mail->data, sizeof fd);
        worker->config.ops->stream(worker->config.user, fd, &mail->path);
        return 1;
    case SW_MAIL_INSIDE:
        break;
    }
    if (worker->held != NULL || worker->blocked) return 0;
    worker->packet =
        (struct sw_inside_packet){.data = mail->data, .len = mail->len, .vnet = mail->vnet};
    int cost = sw_worker_send_inside(worker, now);
    worker->packet_from = worker->held != NULL ? (int)from : -1;
    return worker->held != NULL ? 0 : cost;
}

/* Takes mail of one sender. What is left of the budget, or -1: this one has to wait. */
static int read_box(struct sw_worker *worker, unsigned from, int budget, sw_time now)
{
    struct sw_mailboxes *mail = worker->config.crew->mail;
    unsigned to = worker->config.index;
    struct sw_mail *first;
    while (budget > 0 && (first = sw_mailboxes_peek(mail, from, to)) != NULL) {
        int cost = take(worker, first, from, now);
        if (cost == 0) return -1;
        sw_mailboxes_drop(mail, from, to);
        worker->counters.mail_received++;
        budget -= cost;
    }
    return budget;
}

/* Everybody's mail in turn; the one who comes first changes. */
static void read_mail(struct sw_worker *worker)
{
    const struct sw_crew *crew = worker->config.crew;
    int budget = SW_WORK_PER_WAKEUP;
    sw_time now = sw_worker_now();
    if (crew == NULL || crew->mail == NULL) return;
    for (unsigned i = 0; i < crew->count && budget > 0; i++) {
        unsigned from = worker->mail_next;
        if (from != worker->config.index) {
            int left = read_box(worker, from, budget, now);
            if (left >= 0) budget = left;
        }
        if (budget > 0) worker->mail_next = (from + 1) % crew->count;
    }
    if (budget <= 0) uv_async_send(&worker->bell);
}

void sw_worker_mail_again(struct sw_worker *worker)
{
    if (worker->config.crew != NULL && worker->config.crew->mail != NULL)
        uv_async_send(&worker->bell);
}

void sw_worker_mail_done(struct sw_worker *worker)
{
    if (worker->packet_from < 0) return;
    sw_mailboxes_drop(worker->config.crew->mail, (unsigned)worker->packet_from,
                      worker->config.index);
    worker->counters.mail_received++;
    worker->packet_from = -1;
}

/* --- calls -------------------------------------------------------------------------------------*/

void sw_worker_call(struct sw_worker *worker, struct sw_worker_call *call)
{
    call->next = atomic_load_explicit(&worker->calls, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&worker->calls, &call->next, call,
                                                  memory_order_release, memory_order_relaxed))
        continue;
    ring(worker);
}

static void run_calls(struct sw_worker *worker)
{
    struct sw_worker_call *call =
        atomic_exchange_explicit(&worker->calls, NULL, memory_order_acquire);
    while (call != NULL) {
        struct sw_worker_call *next = call->next; /* the call is its owner's again once it ran */
        call->run(call->user);
        call = next;
    }
}

void sw_worker_on_bell(uv_async_t *bell)
{
    struct sw_worker *worker = bell->data;
    worker->counters.wakeups++;
    full_barrier();
    run_calls(worker);
    read_mail(worker);
    tell_connections(worker, true); /* not every hello became a connection */
    sw_worker_finish_wakeup(worker);
}
