/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The loop: one thread, one epoll, and the deadlines of all guests in one heap. A guest that is
 * away waits in it for its next beginning, one that is there for whatever its engine wants.
 */

#include "tools/loadgen/loadgen.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS       256
#define BATCH_BYTES  (256 * 1024)
#define BATCH_CHUNKS 256

sw_time load_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (sw_time)now.tv_sec * SW_SECOND + (sw_time)now.tv_nsec;
}

static bool has_more(const struct load *load)
{
    const struct load_options *o = &load->options;

    if (load->stopping) return false;
    return o->cycles == 0 || load->slots < o->cycles;
}

sw_time load_slot(struct load *load)
{
    if (!has_more(load)) return SW_NEVER;
    load->slots++;
    sw_time at = load->next_slot > load->now ? load->next_slot : load->now;
    if (load->options.rate > 0)
        load->next_slot = at + (sw_time)((double)SW_SECOND / load->options.rate);
    return at;
}

int load_open(struct load *load)
{
    unsigned n = load->options.guests;

    load->now = load->start = load->next_slot = load_clock();
    load->unix_start = time(NULL);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->epoll < 0) return -1;
    load->batch = sw_batch_new(BATCH_BYTES, BATCH_CHUNKS, 1);
    load->guests = calloc(n, sizeof *load->guests);
    if (load->batch == NULL || load->guests == NULL) goto no_memory;
    for (unsigned i = 0; i < n; i++) {
        struct guest *guest = &load->guests[i];
        guest->load = load;
        guest->fd = -1;
        if (sw_deadlines_add(&load->deadlines, &guest->deadline) < 0) goto no_memory;
    }
    for (unsigned i = 0; i < n; i++)
        sw_deadlines_set(&load->deadlines, &load->guests[i].deadline, load_slot(load));
    return 0;
no_memory:
    errno = ENOMEM;
    return -1;
}

static struct guest *first_due(const struct load *load, sw_time *at)
{
    struct sw_deadline *first = sw_deadlines_first(&load->deadlines);

    *at = first != NULL ? first->at : SW_NEVER;
    return first == NULL ? NULL
                         : (struct guest *)((char *)first - offsetof(struct guest, deadline));
}

static void run_timers(struct load *load)
{
    sw_time at;
    struct guest *guest;

    while ((guest = first_due(load, &at)) != NULL && at <= load->now)
        guest_timer(guest);
}

/* Milliseconds for epoll: rounded up, so that the deadline has passed when it returns. */
static int patience(const struct load *load, sw_time until)
{
    sw_time at;

    first_due(load, &at);
    if (until < at) at = until;
    if (at <= load->now) return 0;
    sw_time wait = (at - load->now + SW_MILLISECOND - 1) / SW_MILLISECOND;
    return wait < 1000 ? (int)wait : 1000;
}

static bool is_done(const struct load *load)
{
    sw_time at;

    first_due(load, &at);
    return load->engaged == 0 && at == SW_NEVER;
}

bool load_run(struct load *load, sw_time until)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        load->now = load_clock();
        run_timers(load);
        if (is_done(load)) return false;
        if (load->now >= until) return true;
        int n = epoll_wait(load->epoll, events, EVENTS, patience(load, until));
        load->now = load_clock();
        for (int i = 0; i < n; i++)
            guest_ready(events[i].data.ptr, events[i].events);
        if (n < 0 && errno == EINTR) return true; /* a signal: the caller has seen it */
    }
}

void load_stop(struct load *load)
{
    load->stopping = true;
    load->now = load_clock();
    for (unsigned i = 0; i < load->options.guests; i++) {
        struct guest *guest = &load->guests[i];
        if (guest->phase == GUEST_AWAY)
            sw_deadlines_set(&load->deadlines, &guest->deadline, SW_NEVER);
        else
            guest_leave(guest);
    }
}

void load_close(struct load *load)
{
    for (unsigned i = 0; load->guests != NULL && i < load->options.guests; i++)
        guest_drop(&load->guests[i]);
    sw_deadlines_release(&load->deadlines);
    sw_batch_free(load->batch);
    free(load->guests);
    free(load->latencies);
    if (load->epoll >= 0) close(load->epoll);
}
