/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Randomness from getrandom(2): session ids, cookie secrets, TLS seeds, the shuffle of the address
 * pool. The library never asks the system itself; it gets sw_random_callback().
 *
 * getrandom() without flags blocks only before the kernel's generator is first seeded and then
 * fails for no reason but a signal or a filter that forbids it. In the latter case going on would
 * mean keys that can be guessed, so the process ends.
 *
 * Numbers below a limit are drawn by the million when a large pool is shuffled, so a thread asks
 * for many at once. They are no secrets: what is left of them may stay in memory.
 */

#include "host/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define SW_LOG_TARGET "random"
#include "host/log.h"

void sw_random_fill(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            sw_log_error("the kernel gives no random numbers (errno %d)", errno);
            abort();
        }
        out += n;
        len -= (size_t)n;
    }
}

void sw_random_callback(void *user, uint8_t *out, size_t len)
{
    sw_random_fill(out, len);
}

static uint32_t draw(void)
{
    static _Thread_local uint32_t drawn[1024];
    static _Thread_local size_t left;
    if (left == 0) {
        sw_random_fill((uint8_t *)drawn, sizeof drawn);
        left = sizeof drawn / sizeof drawn[0];
    }
    return drawn[--left];
}

uint32_t sw_random_below(uint32_t limit)
{
    /* Values below 2^32 mod limit would make small results more likely. */
    uint32_t first_fair = -limit % limit;
    uint32_t value;
    do {
        value = draw();
    } while (value < first_fair);
    return value % limit;
}
