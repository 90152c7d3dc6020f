/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The name that a client expects in the server's certificate, over datagrams and streams
 * (docs/protocol/session.md §5.4): those the TLS library checks and those it does not, and that no
 * name makes up for a certificate that is not good.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/sim/stream.h"
#include "tests/sim/world.h"

#define CA "names/ca.crt"
#define ALL_NAMES                                                                                  \
    "names/alternatives.crt"          /* server, *, 10.0.0.3; addresses 10.0.0.1, 2001:db8::1 */
#define LABEL    "names/label.crt"    /* only a common name: server */
#define ADDRESS4 "names/address4.crt" /* only a common name: 10.0.0.1 */
#define ADDRESS6 "names/address6.crt" /* 2001:db8::1, and 2001:db8::2 as alternative */
#define CHAIN    "names/chain.crt"    /* leaf, by an intermediate certificate called server */
#define OWN      "names/own.crt"      /* server, signed by itself */

struct row {
    const char *ca, *certificate, *name;
    int error;         /* 0: Online */
    int64_t unix_time; /* the client's; 0: within the certificates' validity */
};

static bool settled(struct world *world)
{
    return world_both_online(world) || world->nodes[1].closed > 0;
}

static void connect_to(enum sw_transport transport, const struct row *row)
{
    struct world world;
    struct stream stream;

    world_init(&world, 500);
    struct node *server = world_server(&world, false);
    world_renew(server, row->certificate, "names/leaf.key");
    struct node *client =
        world_client(&world, &(struct client_options){.ca = row->ca, .server_name = row->name});
    if (row->unix_time != 0) {
        client->config.unix_time = row->unix_time;
        world_restart(client);
    }
    if (transport == SW_STREAM)
        stream_open(&stream, server, client, 1500);
    else
        assert_non_null(world_connect(client, server));
    world_run(&world, 5 * SW_SECOND, settled);
    if (client->close_error != row->error || (client->online > 0) != (row->error == 0) ||
        (server->authorised > 0) != (row->error == 0))
        fail_msg("%s, %s, %s: %s", transport == SW_STREAM ? "stream" : "datagram", row->certificate,
                 row->name, sw_strerror(client->close_error));
    if (transport == SW_STREAM) stream_free(&stream);
    world_end(&world);
}

static void connect_each(const struct row *rows, size_t count)
{
    for (enum sw_transport transport = SW_DATAGRAM; transport <= SW_STREAM; transport++)
        for (size_t i = 0; i < count; i++)
            connect_to(transport, &rows[i]);
}

static void test_names_of_one_label(void **state)
{
    static const struct row rows[] = {
        {CA, LABEL, "server", 0, 0},
        {CA, LABEL, "SERVER", 0, 0},
        {CA, LABEL, "other", SW_ENAME, 0},
        {CA, ALL_NAMES, "server", 0, 0},
        {CA, ALL_NAMES, "other", SW_ENAME, 0},
        {CA, ALL_NAMES, "common", SW_ENAME, 0}, /* there are alternatives to it */
        {CA, CHAIN, "leaf", 0, 0},
        {CA, CHAIN, "server", SW_ENAME, 0},
    };
    (void)state;
    connect_each(rows, sizeof rows / sizeof rows[0]);
}

static void test_addresses(void **state)
{
    static const struct row rows[] = {
        {CA, ALL_NAMES, "10.0.0.1", 0, 0},           {CA, ALL_NAMES, "10.0.0.2", SW_ENAME, 0},
        {CA, ALL_NAMES, "10.0.0.3", 0, 0},           {CA, ALL_NAMES, "2001:DB8:0::1", 0, 0},
        {CA, ALL_NAMES, "2001:db8::2", SW_ENAME, 0}, {CA, ADDRESS4, "10.0.0.1", 0, 0},
        {CA, ADDRESS4, "10.0.0.2", SW_ENAME, 0},     {CA, ADDRESS6, "2001:db8::1", 0, 0},
        {CA, ADDRESS6, "2001:db8::2", 0, 0},         {CA, ADDRESS6, "2001:db8::3", SW_ENAME, 0},
    };
    (void)state;
    connect_each(rows, sizeof rows / sizeof rows[0]);
}

static void test_a_name_does_not_make_up_for_a_bad_certificate(void **state)
{
    static const int64_t long_gone = 946684800, far_ahead = INT64_C(95617584000);
    const struct row rows[] = {
        {"other-ca.crt", LABEL, "server", SW_ECERT, 0},
        {"other-ca.crt", ALL_NAMES, "10.0.0.1", SW_ECERT, 0},
        {"other-ca.crt", CHAIN, "leaf", SW_ECERT, 0},
        {"other-ca.crt", LABEL, "other", SW_ECERT, 0},
        {CA, OWN, "server", SW_ECERT, 0},
        {CA, LABEL, "server", SW_ECERT, long_gone},
        {CA, LABEL, "server", SW_ECERT, far_ahead},
        {CA, CHAIN, "leaf", SW_ECERT, far_ahead},
    };
    (void)state;
    connect_each(rows, sizeof rows / sizeof rows[0]);
}

static void test_fully_qualified_names_and_none(void **state)
{
    static const struct row rows[] = {
        {CA, ALL_NAMES, "server.test", SW_ENAME, 0},
        {CA, LABEL, "localhost", SW_ENAME, 0},
        {CA, LABEL, NULL, 0, 0},
        {CA, ALL_NAMES, "", 0, 0},
        {"other-ca.crt", LABEL, NULL, SW_ECERT, 0},
    };
    (void)state;
    connect_each(rows, sizeof rows / sizeof rows[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_one_label),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_a_name_does_not_make_up_for_a_bad_certificate),
        cmocka_unit_test(test_fully_qualified_names_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
