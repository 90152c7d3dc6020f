/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * bench-packets: small UDP packets there and back, for what bulk flows do not show.
 *
 *   bench-packets answer ADDRESS:PORT
 *       Sends every packet back, as often as it asks for, those of one request in one system call.
 *   bench-packets ask ADDRESS:PORT [--window N] [--seconds S] [--size BYTES]
 *       Keeps N packets on the way for S seconds: each answer sends the next. So it finds the rate
 *       by itself and loses nothing to its own haste. One that stays away for a second is given up.
 *   bench-packets burst ADDRESS:PORT [--up N] [--down M] [--size BYTES]
 *       Sends N packets at once, each of which wants M answers, and counts what has come when a
 *       second was silent.
 *
 * "ask" and "burst" print one line of JSON. BYTES: of UDP payload.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST         4096
#define BUFFER_BYTES (8 << 20)
#define SILENCE_MS   1000
#define TIMES_MAX    4000000

struct request {
    uint64_t sent_at; /* nanoseconds; comes back as it was */
    uint32_t answers; /* asked for; 0 in an answer */
    uint32_t unused;
};

struct settings {
    long window, up, down, size;
    double seconds;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench-packets: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strrchr(text, ':');
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    if (colon != NULL && colon - text < (long)sizeof host)
        memcpy(host, text, (size_t)(colon - text));
    if (port < 1 || port > 65535 || inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "bench-packets: '%s' is not ADDRESS:PORT\n", text);
        exit(2);
    }
    address.sin_port = htons((uint16_t)port);
    return address;
}

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES;
    if (fd < 0) fail("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        fail("socket buffer");
    return fd;
}

/* The same packet n times, to where the socket is connected or to the peer. */
static void send_copies(int fd, void *bytes, size_t len, size_t n, struct sockaddr_in *peer)
{
    static struct mmsghdr messages[MOST];
    struct iovec iov = {.iov_base = bytes, .iov_len = len};
    for (size_t i = 0; i < n; i++)
        messages[i].msg_hdr =
            (struct msghdr){.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_name = peer,
                            .msg_namelen = peer != NULL ? (socklen_t)sizeof *peer : 0};
    for (size_t done = 0; done < n;) {
        int sent = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);
        if (sent < 0 && errno != EINTR) fail("sendmmsg");
        if (sent > 0) done += (size_t)sent;
    }
}

static void answer(struct sockaddr_in at)
{
    int fd = open_socket();
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) fail("bind");
    for (;;) {
        uint8_t bytes[2048];
        struct request request;
        struct sockaddr_in peer;
        socklen_t peer_len = sizeof peer;
        ssize_t len = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&peer, &peer_len);
        if (len < (ssize_t)sizeof request) continue;
        memcpy(&request, bytes, sizeof request);
        size_t n = request.answers < MOST ? request.answers : MOST;
        request.answers = 0;
        memcpy(bytes, &request, sizeof request);
        send_copies(fd, bytes, (size_t)len, n, &peer);
    }
}

static int connect_to(struct sockaddr_in peer)
{
    int fd = open_socket();
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) < 0) fail("connect");
    return fd;
}

static void send_requests(int fd, const struct settings *set, size_t n, long answers)
{
    uint8_t bytes[2048] = {0};
    struct request request = {.sent_at = now_ns(), .answers = (uint32_t)answers};
    memcpy(bytes, &request, sizeof request);
    send_copies(fd, bytes, (size_t)set->size, n, NULL);
}

/* Nanoseconds that an answer took; 0: none has come for this long. */
static uint64_t receive_answer(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    uint8_t bytes[2048];
    struct request request;
    ssize_t len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len < 0 && errno == EAGAIN) {
        if (poll(&wait, 1, timeout_ms) <= 0) return 0;
        len = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    }
    if (len < (ssize_t)sizeof request) fail("recv");
    memcpy(&request, bytes, sizeof request);
    return now_ns() - request.sent_at;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void ask(int fd, const struct settings *set)
{
    uint32_t *times = malloc(TIMES_MAX * sizeof *times);
    if (times == NULL) fail("malloc");
    size_t n = 0, lost = 0;
    uint64_t begin = now_ns(), end = begin + (uint64_t)(set->seconds * 1e9), now;
    send_requests(fd, set, (size_t)set->window, 1);
    while ((now = now_ns()) < end && n < TIMES_MAX) {
        uint64_t took = receive_answer(fd, SILENCE_MS);
        size_t next = 1;
        if (took == 0)
            lost += next = (size_t)set->window;
        else
            times[n++] = (uint32_t)(took / 1000);
        send_requests(fd, set, next, 1);
    }
    qsort(times, n, sizeof *times, compare);
    printf("{\"round_trips\": %.1f, \"p50_us\": %u, \"p99_us\": %u, \"lost\": %zu}\n",
           (double)n / ((double)(now - begin) / 1e9), n > 0 ? times[n / 2] : 0,
           n > 0 ? times[n * 99 / 100] : 0, lost);
    free(times);
}

static void burst(int fd, const struct settings *set)
{
    size_t answers = 0, wanted = (size_t)(set->up * set->down);
    send_requests(fd, set, (size_t)set->up, set->down);
    while (answers < wanted && receive_answer(fd, SILENCE_MS) != 0)
        answers++;
    printf("{\"wanted\": %zu, \"answers\": %zu}\n", wanted, answers);
}

static long whole(const char *text, const char *name, long least, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "bench-packets: --%s: '%s' is not from %ld to %ld\n", name, text, least,
                most);
        exit(2);
    }
    return value;
}

static void parse_options(struct settings *set, int argc, char **argv)
{
    static const struct option known[] = {
        {"window", required_argument, NULL, 'w'},  {"up", required_argument, NULL, 'u'},
        {"down", required_argument, NULL, 'd'},    {"size", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 't'}, {0},
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'w')
            set->window = whole(optarg, "window", 1, MOST);
        else if (option == 'u')
            set->up = whole(optarg, "up", 1, MOST);
        else if (option == 'd')
            set->down = whole(optarg, "down", 1, MOST);
        else if (option == 's')
            set->size = whole(optarg, "size", sizeof(struct request), 1400);
        else if (option == 't')
            set->seconds = strtod(optarg, NULL);
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct settings set = {.window = 1, .up = 1, .down = 1, .size = 36, .seconds = 1};
    if (argc < 3) {
        fprintf(stderr, "usage: bench-packets answer|ask|burst ADDRESS:PORT [options]\n");
        return 2;
    }
    struct sockaddr_in peer = parse_address(argv[2]);
    parse_options(&set, argc - 2, argv + 2);
    if (strcmp(argv[1], "answer") == 0) answer(peer);
    if (strcmp(argv[1], "ask") == 0)
        ask(connect_to(peer), &set);
    else if (strcmp(argv[1], "burst") == 0)
        burst(connect_to(peer), &set);
    else
        return fprintf(stderr, "bench-packets: no mode '%s'\n", argv[1]), 2;
    return 0;
}
