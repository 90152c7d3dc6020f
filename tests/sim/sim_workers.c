/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Several engines behind one server address (docs/architecture.md §2). The network gives each of
 * them datagrams without a session id by the client's port, as the kernel does by its hash, and
 * those with an id wherever it likes: what is another's gets handed on, and a connection stays with
 * the engine that it started at.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/engine/engine.h"
#include "tests/sim/world.h"

#define WORKERS 3
#define CLIENTS 9

static struct {
    struct sw_callbacks callbacks;
    unsigned handed_on;
    bool steered; /* datagrams with an id go where it says */
    bool pqc;
    bool placing; /* new connections go to the worker with the fewest */
} crew;

static struct node *worker(struct world *world, unsigned i)
{
    return &world->nodes[i];
}

static struct node *client(struct world *world, unsigned i)
{
    return &world->nodes[WORKERS + i];
}

static const struct sw_engine_counters *counters(const struct node *node)
{
    return sw_engine_counters(node->engine);
}

static unsigned owner_of(struct sw_session_id id)
{
    return id.bytes[7] % WORKERS;
}

static void give(struct world *world, unsigned to, const struct sw_path *path, const uint8_t *bytes,
                 size_t len, bool foreign)
{
    struct sw_engine *engine = worker(world, to)->engine;
    uint8_t copy[2048];

    memcpy(copy, bytes, len);
    if (foreign)
        sw_engine_foreign_datagram(engine, path, copy, len, world->now);
    else
        sw_engine_datagram(engine, path, copy, len, world->now);
    world_flush(worker(world, to));
}

static void on_foreign(void *user, unsigned owner, const struct sw_path *path, const uint8_t *data,
                       size_t len)
{
    struct node *node = user;

    world_check(node->world, owner < WORKERS && worker(node->world, owner) != node);
    crew.handed_on++;
    give(node->world, owner, path, data, len, true);
}

static uint64_t connections(const struct node *node)
{
    return counters(node)->conn_created - counters(node)->conn_closed;
}

static unsigned on_place(void *user)
{
    struct node *node = user;
    unsigned best = node->config.worker;

    for (unsigned i = 0; crew.placing && i < WORKERS; i++)
        if (connections(worker(node->world, i)) < connections(worker(node->world, best))) best = i;
    return best;
}

/* What goes to the server's address reaches one of its workers. */
static bool spread(struct world *world, const struct sw_address *from, const struct sw_address *to,
                   uint8_t *bytes, size_t len)
{
    const struct sw_path path = {.remote = *from, .local = *to};
    struct sw_cursor c = sw_cursor(bytes, len);
    struct sw_header header;

    if (to->port != worker(world, 0)->address.port) return true;
    unsigned at = from->port % WORKERS;
    if (sw_header_decode(&c, &header) == 0 && !sw_session_is_reserved(header.session))
        at = crew.steered ? owner_of(header.session) : (unsigned)world_random(world, WORKERS);
    give(world, at, &path, bytes, len, false);
    return false;
}

static bool everybody_online(struct world *world)
{
    for (unsigned i = WORKERS; i < world->count; i++)
        if (world->nodes[i].online == 0) return false;
    return true;
}

static void start(struct world *world, uint64_t seed, unsigned clients)
{
    static const uint8_t key[SW_COOKIE_KEY_LEN] = "the workers' key for cookies";

    crew.handed_on = 0;
    world_init(world, seed);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct node *node = world_server(world, crew.pqc);
        crew.callbacks = *node->config.callbacks;
        crew.callbacks.foreign = on_foreign;
        crew.callbacks.place = on_place;
        node->address = worker(world, 0)->address;
        node->config.callbacks = &crew.callbacks;
        node->config.worker = i;
        node->config.workers = WORKERS;
        node->config.cookie_key = key;
        world_restart(node);
    }
    world->tap = spread;
    for (unsigned i = 0; i < clients; i++)
        world_connect(world_client(world, &(struct client_options){0}), worker(world, 0));
    world_check(world, world_run(world, 20 * SW_SECOND, everybody_online));
    world_run(world, SW_SECOND, NULL);
}

/* The number of the worker that has the session of a client; WORKERS: nobody. */
static unsigned where(struct world *world, const struct node *of)
{
    unsigned found = WORKERS;

    for (unsigned i = 0; i < WORKERS; i++) {
        struct sw_conn *conn = NULL;
        while ((conn = sw_engine_next_conn(worker(world, i)->engine, conn)) != NULL) {
            if (!sw_session_equal(sw_conn_session(conn), sw_conn_session(of->conn))) continue;
            world_check(world, found == WORKERS); /* nobody else has it */
            found = i;
        }
    }
    return found;
}

static void up(struct node *from)
{
    uint8_t packet[200];
    world_send(from, from->conn, packet, world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
}

static uint64_t inside_of_all(struct world *world)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        sum += worker(world, i)->inside_count;
    return sum;
}

static void everybody_sends(struct world *world)
{
    uint64_t before = inside_of_all(world);

    for (unsigned i = 0; i < CLIENTS; i++)
        up(client(world, i));
    world_run(world, 50 * SW_MILLISECOND, NULL);
    world_check(world, inside_of_all(world) == before + CLIENTS);
}

/* Clients come, send and move, over and over; each stays where it started. */
static void moves(bool steered)
{
    for (unsigned seed = 0; seed < 10; seed++) {
        struct world world;

        crew.steered = steered;
        crew.placing = false;
        start(&world, seed, CLIENTS);
        for (unsigned i = 0; i < CLIENTS; i++)
            world_check(&world, where(&world, client(&world, i)) ==
                                    client(&world, i)->address.port % WORKERS);
        everybody_sends(&world);
        for (unsigned round = 1; round < 10; round++) {
            unsigned places[CLIENTS];
            for (unsigned i = 0; i < CLIENTS; i++) {
                places[i] = where(&world, client(&world, i));
                client(&world, i)->address.port = (uint16_t)(50000 + round * 100 + i);
            }
            everybody_sends(&world);
            world_run(&world, SW_SECOND, NULL); /* new ids are told */
            for (unsigned i = 0; i < CLIENTS; i++) {
                struct sw_session_id id = sw_conn_session(client(&world, i)->conn);
                world_check(&world, where(&world, client(&world, i)) == places[i]);
                world_check(&world, owner_of(id) == places[i]);
            }
        }
        for (unsigned i = 0; i < WORKERS; i++) {
            world_check(&world, worker(&world, i)->closed == 0);
            world_check(&world, counters(worker(&world, i))->udp_rejected_session == 0);
        }
        world_check(&world, steered ? crew.handed_on == 0 : crew.handed_on > CLIENTS);
        world_end(&world);
    }
}

static void test_sessions_stay_with_their_worker_when_steered(void **state)
{
    (void)state;
    moves(true);
}

static void test_sessions_stay_with_their_worker_wherever_datagrams_arrive(void **state)
{
    (void)state;
    moves(false);
}

static bool all_closed(struct world *world)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (connections(worker(world, i)) > 0) return false;
    return true;
}

static void close_client(struct node *node)
{
    sw_conn_close(node->conn, 0, node->world->now);
    world_flush(node);
}

/* Wherever hellos arrive, also in pieces, late and twice: three clients for each of three workers.
 */
static void spreads(bool pqc, struct weather weather)
{
    for (unsigned seed = 0; seed < 20; seed++) {
        struct world world;

        crew.steered = crew.placing = true;
        crew.pqc = pqc;
        start(&world, seed, 0);
        world.weather = weather;
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct client_options options = {.keyshare = SW_KEYSHARE_P521MLKEM1024};
            struct node *node = world_client(&world, &options);
            node->address.port =
                (uint16_t)(45000 + i * WORKERS); /* all arrive at the same worker */
            world_connect(node, worker(&world, 0));
            world_check(&world, world_run(&world, 30 * SW_SECOND, everybody_online));
        }
        world.weather = (struct weather){.delay = SW_MILLISECOND};
        world_run(&world, SW_SECOND, NULL);
        for (unsigned i = 0; i < WORKERS; i++)
            world_check(&world, connections(worker(&world, i)) == CLIENTS / WORKERS);
        world_check(&world, crew.handed_on > 0);
        unsigned handed_on = crew.handed_on;
        everybody_sends(&world);
        world_check(&world, crew.handed_on == handed_on); /* by now they know their ids */

        /* The same address again, while the old session is there, and when it is gone. */
        struct node *first = client(&world, 0);
        unsigned at = where(&world, first);
        world_restart(first);
        first->online = 0;
        world_connect(first, worker(&world, 0));
        world_check(&world, world_run(&world, 30 * SW_SECOND, everybody_online));
        world_run(&world, SW_SECOND, NULL);
        world_check(&world, where(&world, first) == at);
        world_check(&world, connections(worker(&world, at)) == CLIENTS / WORKERS);
        for (unsigned i = 0; i < CLIENTS; i++)
            close_client(client(&world, i));
        world_check(&world, world_run(&world, SW_SECOND, all_closed));
        for (unsigned i = 0; i < CLIENTS; i++) {
            client(&world, i)->online = 0;
            world_restart(client(&world, i));
            world_connect(client(&world, i), worker(&world, 0));
        }
        world_check(&world, world_run(&world, 30 * SW_SECOND, everybody_online));
        everybody_sends(&world);
        world_end(&world);
    }
    crew.pqc = false;
}

static void test_connections_are_spread_evenly(void **state)
{
    (void)state;
    spreads(false, (struct weather){.delay = SW_MILLISECOND});
}

static void test_connections_with_hellos_in_pieces_are_spread_evenly(void **state)
{
    (void)state;
    spreads(true, (struct weather){.delay = SW_MILLISECOND});
}

static void test_connections_are_spread_evenly_over_bad_lines(void **state)
{
    (void)state;
    spreads(true, (struct weather){.loss = 10,
                                   .duplicate = 30,
                                   .delay = 5 * SW_MILLISECOND,
                                   .jitter = 5 * SW_MILLISECOND});
}

static void test_unknown_session_is_rejected_by_its_worker(void **state)
{
    const struct sw_header header = {.version = SW_VERSION_MAX,
                                     .session = {{1, 2, 3, 4, 5, 6, 7, 2 + 3 * 20}}};
    const struct sw_address stranger = world_stranger(9, 9);
    struct world world;
    uint8_t datagram[100] = {0};

    (void)state;
    crew.steered = crew.placing = false;
    start(&world, 1, 1);
    sw_header_encode(datagram, &header);
    for (int i = 0; i < 20; i++)
        world_inject(&world, &stranger, &worker(&world, 0)->address, datagram, sizeof datagram);
    world_run(&world, SW_SECOND, NULL);
    world_check(&world, crew.handed_on > 0);
    world_check(&world, counters(worker(&world, 0))->udp_rejected_session == 0);
    world_check(&world, counters(worker(&world, 1))->udp_rejected_session == 0);
    world_check(&world, counters(worker(&world, 2))->udp_rejected_session > 0);
    world_end(&world);
}

static void test_address_taken_at_another_worker_ends_who_had_it(void **state)
{
    struct world world;

    (void)state;
    crew.steered = true;
    crew.placing = false;
    start(&world, 2, 1);
    struct node *it = client(&world, 0), *at = worker(&world, where(&world, it));
    struct sw_address other = it->address;
    other.port++;
    sw_engine_address_taken(at->engine, &other, world.now);
    world_check(&world, at->closed == 0);
    sw_engine_address_taken(at->engine, &it->address, world.now);
    world_check(&world, at->closed == 1 && at->close_error == SW_ECLOSED);
    world_check(&world, counters(at)->conn_replaced == 1 && at->released == 1);
    world_end(&world);
}

static void test_worker_numbers_that_make_no_sense_are_refused(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 3);
    struct sw_engine_config config = world_server(&world, false)->config;
    config.worker = 2;
    config.workers = 2;
    world_check(&world, sw_engine_new(&config, 0) == NULL);
    config.workers = 0;
    world_check(&world, sw_engine_new(&config, 0) == NULL);
    config.worker = 0;
    config.workers = 257;
    world_check(&world, sw_engine_new(&config, 0) == NULL);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_stay_with_their_worker_when_steered),
        cmocka_unit_test(test_sessions_stay_with_their_worker_wherever_datagrams_arrive),
        cmocka_unit_test(test_connections_are_spread_evenly),
        cmocka_unit_test(test_connections_with_hellos_in_pieces_are_spread_evenly),
        cmocka_unit_test(test_connections_are_spread_evenly_over_bad_lines),
        cmocka_unit_test(test_unknown_session_is_rejected_by_its_worker),
        cmocka_unit_test(test_address_taken_at_another_worker_ends_who_had_it),
        cmocka_unit_test(test_worker_numbers_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
