/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flood: throws random, malformed, forged and replayed datagrams at a server.
 *
 * What is sent depends on --seed alone. Without a corpus it starts from datagrams that it knows how
 * to make: Lightway headers with every kind of session id and version, DTLS 1.3 ClientHellos,
 * ciphertext records, plaintext alerts. --corpus adds datagrams of a real client, as "impair
 * --record" keeps them: they are replayed, and mutated. Half of all datagrams leave from --sources
 * sockets of its own; with --spoof the other half carries the address of somebody else, for
 * instance of a live client, whose session then gets all of it (needs root).
 *
 * Answers are counted, not acted upon: a server must not send more bytes than it got. Ends after
 * --count datagrams with one line of JSON.
 */
#include "tools/tool_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SOURCES 256
#define MAX_CORPUS  4096
#define MAX_PAYLOAD 1472
#define HEADER      16
#define BURST       32 /**< datagrams between two looks at the clock */
#define SECOND      1000000000

struct datagram {
    size_t len;
    uint8_t data[MAX_PAYLOAD];
};

struct flood {
    struct sockaddr_in to, spoof;
    unsigned sources;
    uint64_t count;
    double rate; /**< datagrams per second; 0: as fast as possible */
    struct tool_random random;

    struct datagram *corpus;
    size_t n_corpus;

    int sockets[MAX_SOURCES];
    int raw; /**< -1 without --spoof */
    uint64_t sent, sent_bytes, spoofed, failed, received, received_bytes;
};

static const char usage[] =
    "usage: flood --to ADDRESS:PORT --count N [--seed N] [--rate PER_SECOND] [--sources N]\n"
    "             [--spoof ADDRESS:PORT] [--corpus FILE]\n";

static void fail(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- making datagrams ---------------------------------------------------------------------------
 */

static size_t below(struct flood *flood, size_t n)
{
    return (size_t)tool_random_below(&flood->random, n);
}

static void put(struct datagram *d, const void *bytes, size_t len)
{
    if (len > MAX_PAYLOAD - d->len) len = MAX_PAYLOAD - d->len;
    memcpy(d->data + d->len, bytes, len);
    d->len += len;
}

static void put_number(struct datagram *d, uint64_t value, size_t bytes)
{
    while (bytes-- > 0) {
        uint8_t byte = (uint8_t)(value >> 8 * bytes);
        put(d, &byte, 1);
    }
}

static void put_random(struct flood *flood, struct datagram *d, size_t len)
{
    uint8_t bytes[MAX_PAYLOAD];
    if (len > sizeof(bytes)) len = sizeof(bytes);
    tool_random_bytes(&flood->random, bytes, len);
    put(d, bytes, len);
}

/** Short ones more often than long ones: parsers decide on the first bytes. */
static size_t some_length(struct flood *flood)
{
    return below(flood, below(flood, 3) == 0 ? MAX_PAYLOAD + 1 : 64);
}

/** A session id that is empty, the one of a REJECT, of a recorded datagram, or random. */
static void put_session_id(struct flood *flood, struct datagram *d)
{
    switch (below(flood, 4)) {
    case 0:
        put_number(d, 0, 8);
        return;
    case 1:
        put_number(d, UINT64_MAX, 8);
        return;
    case 2:
        if (flood->n_corpus > 0) {
            const struct datagram *recorded = &flood->corpus[below(flood, flood->n_corpus)];
            if (recorded->len >= HEADER) {
                put(d, recorded->data + 8, 8);
                return;
            }
        }
        /* fall through */
    default:
        put_random(flood, d, 8);
    }
}

static void put_header(struct flood *flood, struct datagram *d)
{
    static const uint8_t minors[] = {3, 3, 3, 1, 2, 0, 4, 255};
    put(d, "He", 2);
    put_number(d, below(flood, 16) == 0 ? below(flood, 256) : 1, 1);
    put(d, &minors[below(flood, sizeof(minors))], 1);
    put_number(d, below(flood, 8) == 0, 1); /* aggressive */
    put_number(d, below(flood, 4) == 0, 1); /* Expresslane */
    put_number(d, 0, 2);
    put_session_id(flood, d);
}

/** Starts a block with a length field before it; returns where the field is. */
static size_t open_block(struct datagram *d, size_t bytes)
{
    size_t at = d->len;
    put_number(d, 0, bytes);
    return at;
}

static void close_block(struct datagram *d, size_t at, size_t bytes)
{
    size_t len = d->len - at - bytes;
    for (size_t i = 0; i < bytes; i++)
        d->data[at + i] = (uint8_t)(len >> 8 * (bytes - 1 - i));
}

static void put_extension(struct datagram *d, unsigned type, const void *bytes, size_t len)
{
    put_number(d, type, 2);
    put_number(d, len, 2);
    put(d, bytes, len);
}

/** The body of a DTLS 1.3 ClientHello with an X25519 share. */
static void put_client_hello(struct flood *flood, struct datagram *d)
{
    put(d, "\xfe\xfd", 2);
    put_random(flood, d, 32);
    put_number(d, 0, 2); /* no session id, no legacy cookie */
    put(d, "\0\6\x13\2\x13\3\x13\1\1\0", 10);

    size_t extensions = open_block(d, 2);
    put_extension(d, 43, "\2\xfe\xfc", 3);               /* supported_versions */
    put_extension(d, 10, "\0\4\0\x1d\0\x17", 6);         /* supported_groups */
    put_extension(d, 13, "\0\x8\4\3\x8\4\4\1\x8\7", 10); /* signature_algorithms */
    put_number(d, 51, 2);                                /* key_share */
    put(d, "\0\x26\0\x24\0\x1d\0\x20", 8);
    put_random(flood, d, 32);
    if (below(flood, 2) == 0) {
        put(d, "\0\x2c\0\x22\0\x20", 6); /* cookie: ours, so never a good one */
        put_random(flood, d, 32);
    }
    if (below(flood, 4) != 0) {
        size_t padding = below(flood, 200);
        put_number(d, 21, 2);
        put_number(d, padding, 2);
        while (padding-- > 0)
            put_number(d, 0, 1);
    }
    close_block(d, extensions, 2);
}

/** A plaintext DTLS record of epoch 0; the caller adds the fragment and closes the block. */
static size_t open_record(struct flood *flood, struct datagram *d, unsigned type)
{
    put_number(d, type, 1);
    put(d, "\xfe\xfd\0\0", 4);
    put_number(d, below(flood, 8), 6);
    return open_block(d, 2);
}

static void make_random(struct flood *flood, struct datagram *d)
{
    put_random(flood, d, some_length(flood));
}

static void make_header(struct flood *flood, struct datagram *d)
{
    put_header(flood, d);
    put_random(flood, d, some_length(flood));
}

static void make_hello(struct flood *flood, struct datagram *d)
{
    put(d, "He\1\3\0\0\0\0\0\0\0\0\0\0\0\0", HEADER);
    size_t record = open_record(flood, d, 22);
    put_number(d, 1, 1); /* ClientHello */
    size_t length = open_block(d, 3);
    put_number(d, below(flood, 2), 2); /* message number */
    put_number(d, 0, 3);               /* fragment offset */
    size_t fragment = open_block(d, 3);
    put_client_hello(flood, d);
    close_block(d, fragment, 3);
    memcpy(d->data + length, d->data + fragment, 3);
    close_block(d, record, 2);
}

static void make_ciphertext(struct flood *flood, struct datagram *d)
{
    put_header(flood, d);
    for (size_t records = 1 + below(flood, 3); records > 0; records--) {
        size_t len = below(flood, 400);
        put_number(d, 0x20 | below(flood, 32), 1); /* unified header, any flags and epoch */
        put_random(flood, d, 2);
        put_number(d, below(flood, 4) == 0 ? below(flood, 65536) : len, 2);
        put_random(flood, d, len);
    }
}

static void make_plaintext(struct flood *flood, struct datagram *d)
{
    static const uint8_t types[] = {20, 21, 21, 22, 23, 24, 26, 0, 255};
    put_header(flood, d);
    size_t record = open_record(flood, d, types[below(flood, sizeof(types))]);
    put_number(d, 1 + below(flood, 2), 1);
    put_number(d, below(flood, 128), 1);
    put_random(flood, d, below(flood, 3) == 0 ? some_length(flood) : 0);
    close_block(d, record, 2);
}

static void make_replay(struct flood *flood, struct datagram *d)
{
    if (flood->n_corpus == 0)
        make_hello(flood, d);
    else
        *d = flood->corpus[below(flood, flood->n_corpus)];
}

static void flip_bits(struct flood *flood, struct datagram *d)
{
    for (size_t n = 1 + below(flood, 8); n > 0 && d->len > 0; n--)
        d->data[below(flood, d->len)] ^= (uint8_t)(1u << below(flood, 8));
}

static void cut(struct flood *flood, struct datagram *d)
{
    d->len = below(flood, d->len + 1);
}

static void lengthen(struct flood *flood, struct datagram *d)
{
    put_random(flood, d, below(flood, 64));
}

static void overwrite(struct flood *flood, struct datagram *d)
{
    size_t at = below(flood, d->len), len = below(flood, d->len - at + 1);
    tool_random_bytes(&flood->random, d->data + at, len);
}

/** A 16-bit field to one of the values that length checks get wrong. */
static void set_field(struct flood *flood, struct datagram *d)
{
    static const uint16_t values[] = {0, 1, 0x7fff, 0x8000, 0xffff};
    if (d->len < 2) return;
    size_t at = below(flood, d->len - 1);
    uint16_t value = values[below(flood, sizeof(values) / sizeof(values[0]))];
    d->data[at] = (uint8_t)(value >> 8);
    d->data[at + 1] = (uint8_t)value;
}

/** The beginning of one datagram with the end of another. */
static void splice(struct flood *flood, struct datagram *d)
{
    struct datagram other = {0};
    make_replay(flood, &other);
    size_t from = below(flood, other.len + 1);
    cut(flood, d);
    put(d, other.data + from, other.len - from);
}

static void make_mutant(struct flood *flood, struct datagram *d)
{
    static void (*const mutations[])(struct flood *, struct datagram *) = {
        flip_bits, flip_bits, cut, lengthen, overwrite, set_field, splice};
    if (below(flood, 4) == 0)
        make_hello(flood, d);
    else
        make_replay(flood, d);
    for (size_t n = 1 + below(flood, 3); n > 0; n--)
        mutations[below(flood, sizeof(mutations) / sizeof(mutations[0]))](flood, d);
}

static void make_datagram(struct flood *flood, struct datagram *d)
{
    static void (*const makers[])(struct flood *, struct datagram *) = {
        make_random, make_header, make_hello,  make_ciphertext, make_plaintext,
        make_replay, make_mutant, make_mutant, make_mutant,     make_mutant};
    d->len = 0;
    makers[below(flood, sizeof(makers) / sizeof(makers[0]))](flood, d);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static void open_sockets(struct flood *flood)
{
    for (unsigned i = 0; i < flood->sources; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) fail("socket");
        if (connect(fd, (const struct sockaddr *)&flood->to, sizeof(flood->to)) < 0)
            fail("connect");
        flood->sockets[i] = fd;
    }
    flood->raw = -1;
    if (flood->spoof.sin_port == 0) return;
    flood->raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (flood->raw < 0) fail("raw socket");
}

/** With an IP header of our own; the kernel adds id and checksum, UDP goes without one. */
static bool send_spoofed(struct flood *flood, const struct datagram *d)
{
    struct {
        struct iphdr ip;
        struct udphdr udp;
        uint8_t data[MAX_PAYLOAD];
    } packet = {
        .ip = {.version = 4,
               .ihl = 5,
               .ttl = 64,
               .protocol = IPPROTO_UDP,
               .tot_len = htons((uint16_t)(sizeof(struct iphdr) + sizeof(struct udphdr) + d->len)),
               .saddr = flood->spoof.sin_addr.s_addr,
               .daddr = flood->to.sin_addr.s_addr},
        .udp = {.source = flood->spoof.sin_port,
                .dest = flood->to.sin_port,
                .len = htons((uint16_t)(sizeof(struct udphdr) + d->len))},
    };
    memcpy(packet.data, d->data, d->len);
    size_t len = sizeof(packet.ip) + sizeof(packet.udp) + d->len;
    return sendto(flood->raw, &packet, len, 0, (const struct sockaddr *)&flood->to,
                  sizeof(flood->to)) == (ssize_t)len;
}

static void count_answers(struct flood *flood, int fd)
{
    uint8_t answer[TOOL_DATAGRAM];
    ssize_t n;
    while ((n = recv(fd, answer, sizeof(answer), 0)) >= 0) {
        flood->received++;
        flood->received_bytes += (uint64_t)n;
    }
}

static void send_one(struct flood *flood)
{
    struct datagram d;
    make_datagram(flood, &d);
    bool ok;
    if (flood->raw >= 0 && below(flood, 2) == 0) {
        ok = send_spoofed(flood, &d);
        flood->spoofed++;
    } else {
        int fd = flood->sockets[below(flood, flood->sources)];
        ok = send(fd, d.data, d.len, 0) >= 0;
        count_answers(flood, fd);
    }
    flood->sent++;
    if (ok)
        flood->sent_bytes += d.len;
    else
        flood->failed++;
}

static void wait_until(int64_t when)
{
    struct timespec until = {.tv_sec = when / SECOND, .tv_nsec = when % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void run(struct flood *flood)
{
    int64_t start = tool_now();
    while (flood->sent < flood->count) {
        for (unsigned i = 0; i < BURST && flood->sent < flood->count; i++)
            send_one(flood);
        if (flood->rate > 0)
            wait_until(start + (int64_t)((double)flood->sent / flood->rate * SECOND));
    }
    for (unsigned i = 0; i < flood->sources; i++)
        count_answers(flood, flood->sockets[i]);
    printf("{\"sent\": %llu, \"sent_bytes\": %llu, \"spoofed\": %llu, \"failed\": %llu, "
           "\"received\": %llu, \"received_bytes\": %llu, \"seconds\": %.3f}\n",
           (unsigned long long)flood->sent, (unsigned long long)flood->sent_bytes,
           (unsigned long long)flood->spoofed, (unsigned long long)flood->failed,
           (unsigned long long)flood->received, (unsigned long long)flood->received_bytes,
           (double)(tool_now() - start) / SECOND);
}

/* --- start --------------------------------------------------------------------------------------
 */

/** Takes what fits a datagram here; a recording may be longer than the corpus. */
static void load_corpus(struct flood *flood, const char *path)
{
    static uint8_t data[TOOL_DATAGRAM];
    FILE *file = fopen(path, "rbe");
    if (file == NULL) fail(path);
    flood->corpus = calloc(MAX_CORPUS, sizeof(*flood->corpus));
    if (flood->corpus == NULL) fail("corpus");
    int len;
    while (flood->n_corpus < MAX_CORPUS && (len = tool_record_read(file, data)) >= 0)
        if (len <= MAX_PAYLOAD) put(&flood->corpus[flood->n_corpus++], data, (size_t)len);
    fclose(file);
    if (flood->n_corpus == 0) {
        fprintf(stderr, "flood: %s: holds no datagram\n", path);
        exit(1);
    }
}

enum { TO, COUNT, SEED, RATE, SOURCES, SPOOF, CORPUS };

static const struct option options[] = {
    [TO] = {"to", required_argument, NULL, TO},
    [COUNT] = {"count", required_argument, NULL, COUNT},
    [SEED] = {"seed", required_argument, NULL, SEED},
    [RATE] = {"rate", required_argument, NULL, RATE},
    [SOURCES] = {"sources", required_argument, NULL, SOURCES},
    [SPOOF] = {"spoof", required_argument, NULL, SPOOF},
    [CORPUS] = {"corpus", required_argument, NULL, CORPUS},
    {0},
};

/** False: the value is not good. */
static bool take_option(struct flood *flood, int option, const char *value)
{
    double number = 0;
    bool ok = true;
    switch (option) {
    case TO:
        return tool_parse_address(value, &flood->to);
    case SPOOF:
        return tool_parse_address(value, &flood->spoof);
    case CORPUS:
        load_corpus(flood, value);
        return true;
    case COUNT:
        ok = tool_parse_number(value, 1, 0x1p53, &number);
        flood->count = (uint64_t)number;
        return ok;
    case SEED:
        ok = tool_parse_number(value, 0, 0x1p53, &number);
        flood->random.state = (uint64_t)number;
        return ok;
    case RATE:
        return tool_parse_number(value, 1, 1e9, &flood->rate);
    case SOURCES:
        ok = tool_parse_number(value, 1, MAX_SOURCES, &number);
        flood->sources = (unsigned)number;
        return ok;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    static struct flood flood = {.sources = 16};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?' || !take_option(&flood, option, optarg)) {
            if (option != '?')
                fprintf(stderr, "flood: --%s: \"%s\" is no good value\n", options[option].name,
                        optarg);
            fputs(usage, stderr);
            return 2;
        }
    }
    if (optind != argc || flood.to.sin_port == 0 || flood.count == 0) {
        fputs(usage, stderr);
        return 2;
    }
    open_sockets(&flood);
    run(&flood);
    free(flood.corpus);
    return 0;
}
