/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * impair: a UDP relay that loses, doubles, delays and reorders datagrams, by seed.
 *
 *     client  <->  --listen  impair  (one socket per client)  <->  --to server
 *
 * Each direction has a generator of its own, so what happens to the n-th datagram of a direction
 * depends on the seed alone, not on timing. A datagram that is held back (reordered or delayed)
 * waits in a list in order of its due time; later ones overtake it.
 *
 * With --source-port all clients share one socket towards the server, bound to that port, and the
 * server's datagrams go to the client heard last: to the server a client that was started again
 * looks as if it had kept its address and port, as behind a NAT that reuses ports.
 *
 * Prints "ready" when it listens and one line of JSON with its counts when SIGTERM or SIGINT ends
 * it.
 */
#include "tools/tool_net.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS   64
#define MAX_HELD      65536
#define SOCKET_BUFFER (8 << 20)
#define MILLISECOND   1000000

enum direction { TO_SERVER, TO_CLIENT };

struct counts {
    uint64_t received, lost, duplicated, held, sent, failed;
};

/** A datagram on its way; a linked list in order of due time. */
struct held {
    struct held *next;
    int64_t due;
    enum direction direction;
    int client;
    size_t len;
    uint8_t data[];
};

struct relay {
    struct sockaddr_in listen_address, server;
    uint16_t source_port; /**< network byte order; 0: any */
    double loss, duplicate, reorder;
    int64_t delay, jitter, reorder_delay;
    FILE *record;

    int listener;
    int stop; /**< signalfd */
    struct sockaddr_in clients[MAX_CLIENTS];
    int upstream[MAX_CLIENTS]; /**< sockets towards the server; with source_port only the first */
    int n_clients;
    int last_client;

    struct held *held;
    size_t n_held;
    struct tool_random random[2];
    struct counts counts[2];
};

static const char usage[] =
    "usage: impair --listen ADDRESS:PORT --to ADDRESS:PORT [--source-port PORT] [--seed N]\n"
    "              [--loss PERCENT] [--duplicate PERCENT] [--reorder PERCENT]\n"
    "              [--delay MS] [--jitter MS] [--reorder-delay MS] [--record FILE]\n";

static void fail(const char *what)
{
    fprintf(stderr, "impair: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void misuse(const char *option, const char *value)
{
    fprintf(stderr, "impair: --%s: \"%s\" is no good value\n%s", option, value, usage);
    exit(2);
}

static int udp_socket(const struct sockaddr_in *local)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int size = SOCKET_BUFFER;
    if (fd < 0) fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    if (bind(fd, (const struct sockaddr *)local, sizeof(*local)) < 0) fail("bind");
    return fd;
}

static int open_upstream(const struct relay *relay)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = relay->source_port};
    int fd = udp_socket(&local);
    if (connect(fd, (const struct sockaddr *)&relay->server, sizeof(relay->server)) < 0)
        fail("connect");
    return fd;
}

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/** The index of a client, new ones included; -1 when there are too many. */
static int find_client(struct relay *relay, const struct sockaddr_in *address)
{
    for (int i = 0; i < relay->n_clients; i++)
        if (same_address(&relay->clients[i], address)) return i;
    if (relay->n_clients == MAX_CLIENTS) return -1;
    int client = relay->n_clients++;
    relay->clients[client] = *address;
    bool shared = relay->source_port != 0 && client > 0;
    relay->upstream[client] = shared ? relay->upstream[0] : open_upstream(relay);
    return client;
}

static void send_on(struct relay *relay, enum direction direction, int client, const uint8_t *data,
                    size_t len)
{
    const struct sockaddr_in *to = &relay->clients[client];
    ssize_t n = direction == TO_SERVER ? send(relay->upstream[client], data, len, 0)
                                       : sendto(relay->listener, data, len, 0,
                                                (const struct sockaddr *)to, sizeof(*to));
    /* a closed port or a full queue is one more way to lose a datagram */
    if (n < 0)
        relay->counts[direction].failed++;
    else
        relay->counts[direction].sent++;
}

static void hold(struct relay *relay, enum direction direction, int client, const uint8_t *data,
                 size_t len, int64_t due)
{
    struct held *held;
    if (relay->n_held == MAX_HELD || (held = malloc(sizeof(*held) + len)) == NULL) {
        relay->counts[direction].failed++;
        return;
    }
    *held = (struct held){.due = due, .direction = direction, .client = client, .len = len};
    memcpy(held->data, data, len);
    struct held **at = &relay->held;
    while (*at != NULL && (*at)->due <= due)
        at = &(*at)->next;
    held->next = *at;
    *at = held;
    relay->n_held++;
}

static void send_due(struct relay *relay, int64_t now)
{
    while (relay->held != NULL && relay->held->due <= now) {
        struct held *held = relay->held;
        relay->held = held->next;
        relay->n_held--;
        send_on(relay, held->direction, held->client, held->data, held->len);
        free(held);
    }
}

/** One copy: now, or later if it is delayed or reordered. */
static void pass(struct relay *relay, enum direction direction, int client, const uint8_t *data,
                 size_t len)
{
    struct tool_random *random = &relay->random[direction];
    int64_t wait = relay->delay + (int64_t)tool_random_below(random, (uint64_t)relay->jitter);
    if (tool_random_chance(random, relay->reorder)) wait += relay->reorder_delay;
    if (wait == 0) {
        send_on(relay, direction, client, data, len);
        return;
    }
    relay->counts[direction].held++;
    hold(relay, direction, client, data, len, tool_now() + wait);
}

static void impair(struct relay *relay, enum direction direction, int client, const uint8_t *data,
                   size_t len)
{
    struct tool_random *random = &relay->random[direction];
    struct counts *counts = &relay->counts[direction];
    bool lost = tool_random_chance(random, relay->loss);
    bool duplicated = tool_random_chance(random, relay->duplicate);
    counts->received++;
    if (lost) {
        counts->lost++;
        return;
    }
    pass(relay, direction, client, data, len);
    if (duplicated) {
        counts->duplicated++;
        pass(relay, direction, client, data, len);
    }
}

/** Reads up to 64 datagrams, so that both directions and the held ones get their turn. */
static void read_clients(struct relay *relay)
{
    static uint8_t data[TOOL_DATAGRAM];
    for (int i = 0; i < 64; i++) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        ssize_t n =
            recvfrom(relay->listener, data, sizeof(data), 0, (struct sockaddr *)&from, &size);
        if (n < 0) return;
        int client = find_client(relay, &from);
        if (client < 0) continue;
        relay->last_client = client;
        if (relay->record != NULL && !tool_record_write(relay->record, data, (size_t)n))
            fail("record");
        impair(relay, TO_SERVER, client, data, (size_t)n);
    }
}

static void read_server(struct relay *relay, int client)
{
    static uint8_t data[TOOL_DATAGRAM];
    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(relay->upstream[client], data, sizeof(data), 0);
        if (n < 0) return;
        int to = relay->source_port != 0 ? relay->last_client : client;
        impair(relay, TO_CLIENT, to, data, (size_t)n);
    }
}

static int poll_timeout(const struct relay *relay)
{
    if (relay->held == NULL) return -1;
    int64_t wait = relay->held->due - tool_now();
    return wait <= 0 ? 0 : (int)((wait + MILLISECOND - 1) / MILLISECOND);
}

static void run(struct relay *relay)
{
    for (;;) {
        struct pollfd fds[2 + MAX_CLIENTS] = {{.fd = relay->listener, .events = POLLIN},
                                              {.fd = relay->stop, .events = POLLIN}};
        int n_sockets = relay->source_port != 0 && relay->n_clients > 0 ? 1 : relay->n_clients;
        for (int i = 0; i < n_sockets; i++)
            fds[2 + i] = (struct pollfd){.fd = relay->upstream[i], .events = POLLIN};
        if (poll(fds, (nfds_t)(2 + n_sockets), poll_timeout(relay)) < 0 && errno != EINTR)
            fail("poll");
        if (fds[1].revents != 0) return;
        if (fds[0].revents != 0) read_clients(relay);
        for (int i = 0; i < n_sockets; i++)
            if (fds[2 + i].revents != 0) read_server(relay, i);
        send_due(relay, tool_now());
    }
}

static void print_counts(const char *name, const struct counts *counts, const char *end)
{
    printf("\"%s\": {\"received\": %llu, \"lost\": %llu, \"duplicated\": %llu, \"held\": %llu, "
           "\"sent\": %llu, \"failed\": %llu}%s",
           name, (unsigned long long)counts->received, (unsigned long long)counts->lost,
           (unsigned long long)counts->duplicated, (unsigned long long)counts->held,
           (unsigned long long)counts->sent, (unsigned long long)counts->failed, end);
}

enum {
    LISTEN,
    TO,
    SOURCE_PORT,
    SEED,
    LOSS,
    DUPLICATE,
    REORDER,
    DELAY,
    JITTER,
    REORDER_DELAY,
    RECORD
};

static const struct option options[] = {
    [LISTEN] = {"listen", required_argument, NULL, LISTEN},
    [TO] = {"to", required_argument, NULL, TO},
    [SOURCE_PORT] = {"source-port", required_argument, NULL, SOURCE_PORT},
    [SEED] = {"seed", required_argument, NULL, SEED},
    [LOSS] = {"loss", required_argument, NULL, LOSS},
    [DUPLICATE] = {"duplicate", required_argument, NULL, DUPLICATE},
    [REORDER] = {"reorder", required_argument, NULL, REORDER},
    [DELAY] = {"delay", required_argument, NULL, DELAY},
    [JITTER] = {"jitter", required_argument, NULL, JITTER},
    [REORDER_DELAY] = {"reorder-delay", required_argument, NULL, REORDER_DELAY},
    [RECORD] = {"record", required_argument, NULL, RECORD},
    {0},
};

/** Numbers by option: the largest value and what it is multiplied with. */
static const struct {
    double max, scale;
} numbers[] = {
    [SOURCE_PORT] = {65535, 1},
    [SEED] = {0x1p53, 1},
    [LOSS] = {100, 0.01},
    [DUPLICATE] = {100, 0.01},
    [REORDER] = {100, 0.01},
    [DELAY] = {10000, MILLISECOND},
    [JITTER] = {10000, MILLISECOND},
    [REORDER_DELAY] = {10000, MILLISECOND},
    [RECORD] = {0, 0},
};

static void take_option(struct relay *relay, int option, const char *value)
{
    const char *name = options[option].name;
    if (option == LISTEN || option == TO) {
        struct sockaddr_in *address = option == LISTEN ? &relay->listen_address : &relay->server;
        if (!tool_parse_address(value, address)) misuse(name, value);
        return;
    }
    if (option == RECORD) {
        relay->record = fopen(value, "wbe");
        if (relay->record == NULL) fail(value);
        return;
    }
    double number;
    if (!tool_parse_number(value, 0, numbers[option].max, &number)) misuse(name, value);
    number *= numbers[option].scale;
    switch (option) {
    case SOURCE_PORT:
        relay->source_port = htons((uint16_t)number);
        break;
    case SEED:
        relay->random[TO_SERVER].state = (uint64_t)number;
        relay->random[TO_CLIENT].state = ~(uint64_t)number;
        break;
    case LOSS:
        relay->loss = number;
        break;
    case DUPLICATE:
        relay->duplicate = number;
        break;
    case REORDER:
        relay->reorder = number;
        break;
    case DELAY:
        relay->delay = (int64_t)number;
        break;
    case JITTER:
        relay->jitter = (int64_t)number;
        break;
    default:
        relay->reorder_delay = (int64_t)number;
        break;
    }
}

int main(int argc, char **argv)
{
    static struct relay relay = {.reorder_delay = 5 * MILLISECOND};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            fputs(usage, stderr);
            return 2;
        }
        take_option(&relay, option, optarg);
    }
    if (optind != argc || relay.listen_address.sin_port == 0 || relay.server.sin_port == 0) {
        fputs(usage, stderr);
        return 2;
    }

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    relay.stop = signalfd(-1, &signals, SFD_CLOEXEC);
    relay.listener = udp_socket(&relay.listen_address);
    if (relay.stop < 0) fail("signalfd");
    puts("ready");
    fflush(stdout);
    run(&relay);

    printf("{");
    print_counts("to_server", &relay.counts[TO_SERVER], ", ");
    print_counts("to_client", &relay.counts[TO_CLIENT], "}\n");
    if (relay.record != NULL && fclose(relay.record) != 0) fail("record");
    return 0;
}
