/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Time and randomness for wolfSSL. The library asks for them through functions of fixed names and
 * process-wide callbacks that carry no argument, so the environment of the engine that is calling
 * is kept in one thread-local pointer, set on the way in. That makes the TLS library obey virtual
 * time and seeded randomness in the simulator: wolfSSL refuses a retransmission within 100 ms of
 * the last one by its own clock (docs/protocol/session.md §6).
 */

#include "lib/tls/environment.h"

#include <time.h>

#include "lib/tls/wolfssl.h"

static _Thread_local const struct sw_tls_env *environment;

void sw_tls_enter(const struct sw_tls_env *env)
{
    environment = env;
}

/* Named by wolfSSL (USER_TICKS): seconds, any start. */
word32 LowResTimer(void);
word32 LowResTimer(void)
{
    return environment != NULL ? (word32)(environment->now / SW_SECOND) : 0;
}

/* Named by wolfSSL (USER_TICKS): milliseconds, any start. */
sword64 TimeNowInMilliseconds(void);
sword64 TimeNowInMilliseconds(void)
{
    return environment != NULL ? (sword64)(environment->now / SW_MILLISECOND) : 0;
}

static time_t certificate_time(time_t *out)
{
    time_t now = 0;
    if (environment != NULL)
        now = (time_t)(environment->unix_time + (int64_t)(environment->now / SW_SECOND));
    if (out != NULL) *out = now;
    return now;
}

static int seed(OS_Seed *os, byte *out, word32 len)
{
    (void)os;
    if (environment == NULL || environment->random == NULL) return RNG_FAILURE_E;
    environment->random(environment->user, out, len);
    return 0;
}

void sw_tls_install_hooks(void)
{
    wc_SetSeed_Cb(seed);
    wc_SetTimeCb(certificate_time);
}
