/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Threads of workers (docs/architecture.md §2). A worker and everything in it belongs to its thread
 * from sw_crew_start() to the end of sw_crew_stop(), and to the caller before and after. What
 * others want of it in between, they let it do itself.
 */

#include "host/crew.h"

#include <slipway/error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/worker_internal.h"

/* A reader that is this much behind loses mail: about 3 ms of a Gbit/s flow. With many workers
 * less, there are as many boxes as pairs. */
#define MAIL_BYTES      (1u << 20)
#define MAIL_BYTES_MANY (256u << 10)
#define MANY            8

unsigned sw_crew_default_count(void)
{
    unsigned n = uv_available_parallelism();
    return n < SW_WORKERS_MAX ? n : SW_WORKERS_MAX;
}

int sw_crew_init(struct sw_crew *crew, unsigned count)
{
    *crew = (struct sw_crew){.count = count};
    if (count == 1) return 0;
    crew->mail = sw_mailboxes_new(count, count <= MANY ? MAIL_BYTES : MAIL_BYTES_MANY);
    return crew->mail != NULL ? 0 : SW_ENOMEM;
}

static void *work(void *argument)
{
    struct sw_worker *worker = argument;
    char name[16];
    snprintf(name, sizeof name, "worker-%u", worker->config.index);
    pthread_setname_np(pthread_self(), name);
    sw_worker_run(worker);
    sw_worker_stop_engine(worker);
    return NULL;
}

int sw_crew_start(struct sw_crew *crew)
{
    for (; crew->started < crew->count; crew->started++) {
        unsigned i = crew->started;
        if (pthread_create(&crew->threads[i], NULL, work, crew->workers[i]) != 0) return SW_ENOMEM;
    }
    return 0;
}

/* --- asking all --------------------------------------------------------------------------------*/

struct request {
    struct sw_worker_call call;
    struct round *round;
    unsigned index;
};

struct round {
    void (*call)(void *user, unsigned index);
    void *user;
    uv_sem_t done;
    struct request requests[SW_WORKERS_MAX];
};

static void answer(void *user)
{
    struct request *request = user;
    struct round *round = request->round;
    round->call(round->user, request->index);
    uv_sem_post(&round->done);
}

void sw_crew_call(struct sw_crew *crew, void (*call)(void *user, unsigned index), void *user)
{
    struct round round = {.call = call, .user = user};
    if (uv_sem_init(&round.done, 0) < 0) return;
    for (unsigned i = 0; i < crew->started; i++) {
        struct request *request = &round.requests[i];
        *request =
            (struct request){.call = {.run = answer, .user = request}, .round = &round, .index = i};
        sw_worker_call(crew->workers[i], &request->call);
    }
    for (unsigned i = 0; i < crew->started; i++)
        uv_sem_wait(&round.done);
    uv_sem_destroy(&round.done);
}

/* --- the end -----------------------------------------------------------------------------------*/

static void stop_one(void *user, unsigned index)
{
    struct sw_crew *crew = user;
    sw_worker_stop(crew->workers[index]);
}

void sw_crew_stop(struct sw_crew *crew)
{
    sw_crew_call(crew, stop_one, crew);
    for (unsigned i = 0; i < crew->started; i++)
        pthread_join(crew->threads[i], NULL);
    crew->started = 0;
}

/* What nobody has read any more; only descriptors matter. */
static void empty_boxes(struct sw_crew *crew)
{
    struct sw_mail *mail;
    for (unsigned from = 0; from < crew->count; from++) {
        for (unsigned to = 0; to < crew->count; to++) {
            while (from != to && (mail = sw_mailboxes_peek(crew->mail, from, to)) != NULL) {
                int fd;
                if (mail->kind == SW_MAIL_STREAM) {
                    memcpy(&fd, mail->data, sizeof fd);
                    close(fd);
                }
                sw_mailboxes_drop(crew->mail, from, to);
            }
        }
    }
}

void sw_crew_free(struct sw_crew *crew)
{
    if (crew->mail != NULL) empty_boxes(crew);
    for (unsigned i = 0; i < crew->count; i++) {
        sw_worker_free(crew->workers[i]);
        crew->workers[i] = NULL;
    }
    sw_mailboxes_free(crew->mail);
    crew->mail = NULL;
}
