/* SPDX-License-Identifier: GPL-3.0-or-later */

/* From the first hello to Online, and every way in which that can fail (docs/protocol/session.md
 * §2, §5-§8). */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/world.h"

static bool both_online(struct world *w)
{
    return w->nodes[0].online > 0 && w->nodes[1].online > 0;
}

static bool client_closed(struct world *w)
{
    return w->nodes[1].closed > 0;
}

static void test_every_cipher_and_group_reaches_online(void **state)
{
    static const char *const groups[2][2] = {{"SECP256R1", "SECP256R1"},
                                             {"SecP521r1MLKEM1024", "X25519MLKEM768"}};
    (void)state;
    for (int n = 0; n < 8; n++) {
        bool pqc = (n & 4) != 0;
        const struct client_options options = {
            .cipher = n & 1, .keyshare = (n & 2) / 2, .server_name = "server.test"};
        struct world world;
        world_init(&world, 7 + (uint64_t)n);
        struct node *server = world_server(&world, pqc);
        struct node *client = world_client(&world, &options);

        assert_non_null(world_connect(client, server));
        assert_true(world_run(&world, 5 * SW_SECOND, both_online));
        assert_string_equal(sw_conn_group(client->conn), groups[pqc][options.keyshare]);
        assert_string_equal(sw_conn_group(server->conn), groups[pqc][options.keyshare]);
        assert_string_equal(sw_conn_cipher(client->conn), sw_conn_cipher(server->conn));
        assert_non_null(strstr(sw_conn_cipher(client->conn),
                               options.cipher == SW_CIPHER_AES256 ? "AES_256" : "CHACHA"));
        assert_int_equal(sw_conn_ip_config(client->conn)->local_ip, CLIENT_IP);
        assert_int_equal(sw_conn_ip_config(client->conn)->mtu, 1350);
        assert_int_equal(server->authorised, 1);
        world_end(&world);
    }
}

struct failure {
    struct client_options options;
    int error;
};

static void fails_with(const struct failure *failure)
{
    struct world world;
    world_init(&world, 99);
    struct node *server = world_server(&world, false);
    struct node *client = world_client(&world, &failure->options);
    sw_time start = world.now;

    assert_non_null(world_connect(client, server));
    assert_true(world_run(&world, 40 * SW_SECOND, client_closed));
    assert_int_equal(client->close_error, failure->error);
    assert_true(world.now - start < SW_SECOND);
    assert_int_equal(client->online, 0);
    world_end(&world);
}

static void test_wrong_password_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.password = "wrong"}, SW_EUNAUTHORISED});
}

static void test_wrong_ca_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.ca = "other-ca.crt"}, SW_ECERT});
}

static void test_wrong_name_is_final(void **state)
{
    (void)state;
    fails_with(&(struct failure){{.server_name = "other.test"}, SW_ENAME});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cipher_and_group_reaches_online),
        cmocka_unit_test(test_wrong_password_is_final),
        cmocka_unit_test(test_wrong_ca_is_final),
        cmocka_unit_test(test_wrong_name_is_final),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
