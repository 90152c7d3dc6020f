/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Writes the first inputs of fuzz_server: whole lives of clients, as datagrams that its server
 * takes for real. Run it when the randomness that the server draws has changed:
 *
 *   build/tests/fuzz/record_server tests/fuzz/corpus/server
 *
 * The client lives in a world of its own, so that the server's draws are those of the fuzz target.
 */

#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz_world.h"

struct recorder {
    struct world here, there; /* server, client */
    struct node *server, *client;
    struct tape up, down;
    size_t up_done, down_done;
    FILE *file;
};

static bool swallow(struct world *world, const struct sw_address *from, const struct sw_address *to,
                    uint8_t *bytes, size_t len)
{
    (void)world, (void)from, (void)to, (void)bytes, (void)len;
    return false;
}

static void write_step(FILE *file, unsigned step, size_t len, const uint8_t *bytes)
{
    const uint8_t head[3] = {(uint8_t)step, (uint8_t)(len >> 8), (uint8_t)len};

    fwrite(head, 1, sizeof head, file);
    if (bytes != NULL) fwrite(bytes, 1, len, file);
}

/* Carries datagrams until both are silent, then lets ms pass. */
static void exchange(struct recorder *r, unsigned ms)
{
    while (r->up_done < r->up.count || r->down_done < r->down.count) {
        for (; r->up_done < r->up.count; r->up_done++) {
            const struct recorded *item = &r->up.items[r->up_done];
            write_step(r->file, 0, item->len, item->bytes);
            fuzz_datagram(r->server, 0, item->bytes, item->len);
        }
        for (; r->down_done < r->down.count; r->down_done++) {
            const struct recorded *item = &r->down.items[r->down_done];
            const struct sw_path path = {.remote = r->server->address};
            sw_engine_datagram(r->client->engine, &path, item->bytes, item->len, r->there.now);
            world_flush(r->client);
        }
    }
    write_step(r->file, FUZZ_ADDRESSES, ms, NULL);
    world_run(&r->here, ms * SW_MILLISECOND, NULL);
    world_run(&r->there, ms * SW_MILLISECOND, NULL);
}

static void begin(struct recorder *r, const char *directory, const char *name,
                  const struct client_options *options)
{
    char path[512];

    memset(r, 0, sizeof *r);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    r->file = fopen(path, "wb");
    if (r->file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    r->server = fuzz_server(&r->here);
    world_init(&r->there, 2);
    r->client = world_client(&r->there, options);
    r->here.tap = r->there.tap = swallow;
    r->here.tape = &r->down;
    r->there.tape = &r->up;
}

static void end(struct recorder *r)
{
    fclose(r->file);
    tape_free(&r->up);
    tape_free(&r->down);
    world_end(&r->here);
    world_end(&r->there);
}

static void life(const char *directory, const char *name, const struct client_options *options)
{
    struct recorder r;
    uint8_t packet[200];

    begin(&r, directory, name, options);
    world_connect(r.client, r.server);
    exchange(&r, 30);
    exchange(&r, 200);
    printf("%s: %s\n", name, r.client->online > 0 ? "online" : "not online");
    if (r.client->online > 0) {
        world_send(r.client, r.client->conn, packet,
                   world_packet(packet, TUN_IP, REMOTE_IP, 1, 100));
        exchange(&r, 30);
        world_restart(r.client); /* another session at the same address */
        world_connect(r.client, r.server);
        exchange(&r, 200);
    }
    if (r.client->conn != NULL) {
        sw_conn_close(r.client->conn, 0, r.there.now);
        world_flush(r.client);
        exchange(&r, 100);
    }
    end(&r);
}

/* Datagrams that have no session. */
static void strays(const char *directory)
{
    static const char unknown[] = "He\1\3\0\0\0\0\1\2\3\4\5\6\7\10\x2f\0\1\0\24"
                                  "12345678901234567890";
    static const char rejected[] = "He\1\1\0\0\0\0\377\377\377\377\377\377\377\377";
    static const char alert[] =
        "He\1\3\0\0\0\0\0\0\0\0\0\0\0\0\25\376\375\0\0\0\0\0\0\0\1\0\2\2\50";
    char path[512];

    snprintf(path, sizeof path, "%s/strays", directory);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    for (unsigned i = 0; i < 12; i++)
        write_step(file, i % 2, sizeof unknown - 1, (const uint8_t *)unknown);
    write_step(file, 1, sizeof rejected - 1, (const uint8_t *)rejected);
    write_step(file, 2, sizeof alert - 1, (const uint8_t *)alert);
    fclose(file);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return EXIT_FAILURE;
    }
    life(argv[1], "classic", &(struct client_options){.keyshare = SW_KEYSHARE_X25519MLKEM768});
    life(argv[1], "fragmented", &(struct client_options){.keyshare = SW_KEYSHARE_P521MLKEM1024});
    life(argv[1], "chacha", &(struct client_options){.cipher = SW_CIPHER_CHACHA20, .keyshare = 1});
    life(argv[1], "wrong_password", &(struct client_options){.password = "wrong", .keyshare = 1});
    life(argv[1], "token", &(struct client_options){.token = "token", .keyshare = 1});
    strays(argv[1]);
    return EXIT_SUCCESS;
}
