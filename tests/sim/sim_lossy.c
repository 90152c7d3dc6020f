/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * A whole life over bad networks: handshake and ten thousand packets under loss, reordering,
 * duplication and corruption. What arrives must be what was sent, once, with the addresses of
 * docs/protocol/session.md §20, and as much of it as the network let through.
 *
 * SIM_SEEDS says how many seeds to run; a failing one is printed.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/sim/world.h"

#define PACKETS_EACH_WAY 5000
#define SMALLEST         32 /* what world_packet() makes of no body */
#define LARGEST          1350

/* One direction as its receiver sees it. */
struct receiver {
    bool client; /* who receives */
    unsigned arrived, wrong, twice;
    bool seen[PACKETS_EACH_WAY];
    bool dns[PACKETS_EACH_WAY]; /* sent to or from the DNS address */
    uint16_t len[PACKETS_EACH_WAY];
};

static bool addresses_are_right(const struct receiver *r, const uint8_t *packet, bool dns)
{
    uint32_t source = sw_get_be32(packet + 12), destination = sw_get_be32(packet + 16);

    if (r->client) return destination == TUN_IP && source == (dns ? TUN_DNS_IP : REMOTE_IP);
    return source == POOL_FIRST_IP && destination == (dns ? DNS_IP : REMOTE_IP);
}

static void receive(struct node *node, uint8_t *packet, size_t len)
{
    struct receiver *r = node->data;
    uint32_t number;

    if (!world_packet_check(packet, len, &number) || number >= PACKETS_EACH_WAY ||
        r->len[number] != len || !addresses_are_right(r, packet, r->dns[number])) {
        r->wrong++;
        return;
    }
    r->arrived++;
    if (r->seen[number]) r->twice++;
    r->seen[number] = true;
}

static void send_numbered(struct node *from, struct receiver *to, uint32_t number)
{
    struct world *world = from->world;
    bool client = !to->client, dns = world_random(world, 4) == 0;
    size_t body = world_random(world, LARGEST - SMALLEST + 1);
    uint8_t packet[LARGEST];
    size_t len = client
                     ? world_packet(packet, TUN_IP, dns ? TUN_DNS_IP : REMOTE_IP, number, body)
                     : world_packet(packet, dns ? DNS_IP : REMOTE_IP, POOL_FIRST_IP, number, body);

    to->dns[number] = dns;
    to->len[number] = (uint16_t)len;
    world_check(world, world_send(from, from->conn, packet, len) == 0);
}

static void exchange(struct world *world, struct receiver both[2])
{
    struct node *server = &world->nodes[0], *client = &world->nodes[1];

    both[0] = (struct receiver){.client = false};
    both[1] = (struct receiver){.client = true};
    for (int i = 0; i < 2; i++) {
        world->nodes[i].inside = receive;
        world->nodes[i].data = &both[i];
    }
    for (uint32_t number = 0; number < PACKETS_EACH_WAY; number++) {
        send_numbered(client, &both[0], number);
        send_numbered(server, &both[1], number);
        world_run(world, SW_MILLISECOND, NULL);
    }
    world_run(world, SW_SECOND, NULL);
}

/* The chance that at least one copy of a datagram arrives. */
static double expected_share(const struct weather *weather)
{
    double loss = weather->loss / 100.0, twice = weather->duplicate / 100.0;
    return (1 - twice) * (1 - loss) + twice * (1 - loss * loss);
}

/*
 * A changed bit in a plaintext hello changes what both ends hash, and nothing on the wire can tell:
 * such a handshake must end by its timeout, and the next try is as good as the first.
 */
static void connect_in_the_end(struct world *world, struct node *client, const struct node *server)
{
    const unsigned tries = world->weather.corrupt > 0 ? 5 : 1;

    for (unsigned i = 0; i < tries && client->online == 0; i++) {
        if (i > 0) world_check(world, client->close_error == SW_ETIMEOUT);
        assert_non_null(world_connect(client, server));
        world_run(world, 13 * SW_SECOND, world_both_online);
    }
    world_check(world, world_both_online(world));
}

static void whole_life(uint64_t seed, const struct weather *weather, struct receiver both[2],
                       uint64_t bytes[2])
{
    const struct client_options options = {.cipher = seed & 1, .keyshare = seed >> 1 & 1};
    struct world world;

    world_init(&world, seed);
    world.weather = *weather;
    struct node *server = world_server(&world, (seed & 4) != 0);
    struct node *client = world_client(&world, &options);

    connect_in_the_end(&world, client, server);
    exchange(&world, both);
    world_check(&world, client->conn != NULL && sw_conn_state(client->conn) == SW_STATE_ONLINE);
    world_check(&world, server->authorised == 1 && server->assigned == 1 && server->released == 0);
    for (int i = 0; i < 2; i++) {
        world_check(&world, both[i].wrong == 0);
        world_check(&world, both[i].twice == 0);
        bytes[i] = world.bytes_from[i];
    }
    world_end(&world);
}

static void life_under_loss(unsigned loss)
{
    const struct weather weather = {
        .loss = loss, .duplicate = 10, .delay = 5 * SW_MILLISECOND, .jitter = 20 * SW_MILLISECOND};
    const double share = expected_share(&weather);
    static struct receiver both[2];
    uint64_t bytes[2];

    for (unsigned seed = 1; seed <= world_seeds(200); seed++) {
        whole_life(seed, &weather, both, bytes);
        for (int i = 0; i < 2; i++) {
            /* five standard deviations of 5000 throws with this chance are below 0.029 */
            double got = (double)both[i].arrived / PACKETS_EACH_WAY;
            bool fits = loss == 0 ? both[i].arrived == PACKETS_EACH_WAY
                                  : got > share - 0.029 && got < share + 0.029;
            if (!fits) fprintf(stderr, "seed %u: %f arrived, %f expected\n", seed, got, share);
            assert_true(fits);
        }
    }
}

static void test_everything_arrives_without_loss(void **state)
{
    (void)state;
    life_under_loss(0);
}

static void test_the_rest_arrives_under_5_percent_loss(void **state)
{
    (void)state;
    life_under_loss(5);
}

static void test_the_rest_arrives_under_20_percent_loss(void **state)
{
    (void)state;
    life_under_loss(20);
}

static void test_corruption_loses_packets_and_changes_none(void **state)
{
    const struct weather weather = {.loss = 1,
                                    .duplicate = 2,
                                    .corrupt = 2,
                                    .delay = 5 * SW_MILLISECOND,
                                    .jitter = 10 * SW_MILLISECOND};
    static struct receiver both[2];
    uint64_t bytes[2];

    (void)state;
    for (unsigned seed = 1000; seed < 1000 + world_seeds(40); seed++) {
        whole_life(seed, &weather, both, bytes);
        for (int i = 0; i < 2; i++)
            assert_in_range(both[i].arrived, PACKETS_EACH_WAY * 95 / 100,
                            PACKETS_EACH_WAY * 99 / 100);
    }
}

static void test_the_same_seed_gives_the_same_run(void **state)
{
    const struct weather weather = {.loss = 10,
                                    .duplicate = 10,
                                    .corrupt = 1,
                                    .delay = 5 * SW_MILLISECOND,
                                    .jitter = 20 * SW_MILLISECOND};
    static struct receiver first[2], second[2];
    uint64_t first_bytes[2], second_bytes[2], other_bytes[2];

    (void)state;
    whole_life(77, &weather, first, first_bytes);
    whole_life(77, &weather, second, second_bytes);
    assert_memory_equal(first_bytes, second_bytes, sizeof first_bytes);
    assert_memory_equal(first, second, sizeof first);
    whole_life(78, &weather, second, other_bytes);
    assert_memory_not_equal(first_bytes, other_bytes, sizeof first_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_arrives_without_loss),
        cmocka_unit_test(test_the_rest_arrives_under_5_percent_loss),
        cmocka_unit_test(test_the_rest_arrives_under_20_percent_loss),
        cmocka_unit_test(test_corruption_loses_packets_and_changes_none),
        cmocka_unit_test(test_the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
