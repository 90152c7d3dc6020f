/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * loadgen: the client engine many times in one process, over real sockets. Guests connect, stay for
 * a while, say goodbye and come again; what the server makes of it is for the caller to see, what
 * the guests see of it is printed: a line of progress each second on standard error, the report on
 * standard output.
 *
 *     loadgen --server 192.0.2.1:27690 --ca ca.crt --guests 200 --cycles 10000
 *     loadgen --server 192.0.2.1:443 --tcp --ca ca.crt --guests 1000 --rate 100 --hold 60 \
 *         --duration 120 --ping 10.125.0.6 --interval 0.5
 *
 * Exit status: 0 when no connection failed, 1 when some did, 2 for a wrong command line, 3 when it
 * could not begin.
 */

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/address.h"
#include "host/random.h"
#include "host/slurp.h"
#include "tools/loadgen/loadgen.h"
#include "tools/tool_net.h"

#define CA_MAX        (1 << 20)
#define PROGRESS      SW_SECOND
#define LEAVE_TIMEOUT (5 * SW_SECOND)

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static const char usage[] =
    "usage: loadgen --server ADDRESS:PORT --ca FILE [options]\n"
    "  --tcp                  TLS over TCP instead of DTLS over UDP\n"
    "  --user NAME, --password TEXT   (user, password)\n"
    "  --server-dn NAME       name the certificate must carry\n"
    "  --guests N             clients at the same time (10)\n"
    "  --cycles N             connections in all, then end (the number of guests, or none with\n"
    "                         --duration)\n"
    "  --duration SECONDS     end after this time\n"
    "  --hold SECONDS         time from Online to goodbye (0)\n"
    "  --rate N               connections begun per second at most (0: no limit)\n"
    "  --timeout SECONDS      to come Online (30)\n"
    "  --ping ADDRESS         send ICMP echo requests of 64 bytes to this inside address\n"
    "  --interval SECONDS     between those of one guest (1)\n"
    "  --forge ADDRESS        write this source on them, which the server should refuse\n"
    "  --chacha20             this cipher suite instead of AES-256-GCM\n"
    "  --x25519               X25519+ML-KEM-768 as key share instead of P-521+ML-KEM-1024\n"
    "  --expresslane          offer it\n"
    "  --json                 the report as one line of JSON\n"
    "  --quiet                no progress\n";

struct command {
    struct load_options load;
    const char *ca;
    bool json, quiet;
};

enum {
    SERVER = 256,
    CA,
    TCP,
    USER,
    PASSWORD,
    SERVER_DN,
    GUESTS,
    CYCLES,
    DURATION,
    HOLD,
    RATE,
    TIMEOUT,
    PING,
    INTERVAL,
    FORGE,
    CHACHA20,
    X25519,
    EXPRESSLANE,
    JSON,
    QUIET,
    HELP
};

static const struct option options[] = {
    {"server", required_argument, NULL, SERVER},
    {"ca", required_argument, NULL, CA},
    {"tcp", no_argument, NULL, TCP},
    {"user", required_argument, NULL, USER},
    {"password", required_argument, NULL, PASSWORD},
    {"server-dn", required_argument, NULL, SERVER_DN},
    {"guests", required_argument, NULL, GUESTS},
    {"cycles", required_argument, NULL, CYCLES},
    {"duration", required_argument, NULL, DURATION},
    {"hold", required_argument, NULL, HOLD},
    {"rate", required_argument, NULL, RATE},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"ping", required_argument, NULL, PING},
    {"interval", required_argument, NULL, INTERVAL},
    {"forge", required_argument, NULL, FORGE},
    {"chacha20", no_argument, NULL, CHACHA20},
    {"x25519", no_argument, NULL, X25519},
    {"expresslane", no_argument, NULL, EXPRESSLANE},
    {"json", no_argument, NULL, JSON},
    {"quiet", no_argument, NULL, QUIET},
    {"help", no_argument, NULL, HELP},
    {0},
};

static void wrong(const char *what)
{
    fprintf(stderr, "loadgen: %s\n%s", what, usage);
    exit(2);
}

static double number(const char *text, double min, double max, const char *what)
{
    double value;

    if (!tool_parse_number(text, min, max, &value)) wrong(what);
    return value;
}

static sw_time seconds(const char *text, const char *what)
{
    return (sw_time)(number(text, 0, 1e6, what) * (double)SW_SECOND);
}

static void parse_server(const char *text, struct sw_address *server)
{
    struct sockaddr_in address;

    if (!tool_parse_address(text, &address)) wrong("--server takes ADDRESS:PORT");
    sw_address_from_sockaddr(server, (const struct sockaddr *)&address);
}

static uint32_t parse_inside(const char *text, const char *what)
{
    char with_port[64];
    struct sockaddr_in address;

    snprintf(with_port, sizeof with_port, "%s:1", text);
    if (!tool_parse_address(with_port, &address)) wrong(what);
    return ntohl(address.sin_addr.s_addr);
}

static void parse_one(int option, struct command *c)
{
    struct load_options *load = &c->load;

    switch (option) {
    case SERVER:
        parse_server(optarg, &load->server);
        break;
    case CA:
        c->ca = optarg;
        break;
    case TCP:
        load->transport = SW_STREAM;
        break;
    case USER:
        load->user = optarg;
        break;
    case PASSWORD:
        load->password = optarg;
        break;
    case SERVER_DN:
        load->server_dn = optarg;
        break;
    case GUESTS:
        load->guests = (unsigned)number(optarg, 1, 60000, "--guests: 1 to 60000");
        break;
    case CYCLES:
        load->cycles = (uint64_t)number(optarg, 1, 1e12, "--cycles: a number");
        break;
    case DURATION:
        load->duration = seconds(optarg, "--duration: seconds");
        break;
    case HOLD:
        load->hold = seconds(optarg, "--hold: seconds");
        break;
    case RATE:
        load->rate = number(optarg, 0, 1e6, "--rate: a number");
        break;
    case TIMEOUT:
        load->timeout = seconds(optarg, "--timeout: seconds");
        break;
    case PING:
        load->ping = parse_inside(optarg, "--ping: an IPv4 address");
        break;
    case INTERVAL:
        load->ping_interval = seconds(optarg, "--interval: seconds");
        break;
    case FORGE:
        load->forged = parse_inside(optarg, "--forge: an IPv4 address");
        break;
    case CHACHA20:
        load->cipher = SW_CIPHER_CHACHA20;
        break;
    case X25519:
        load->keyshare = SW_KEYSHARE_X25519MLKEM768;
        break;
    case EXPRESSLANE:
        load->expresslane = true;
        break;
    case JSON:
        c->json = true;
        break;
    case QUIET:
        c->quiet = true;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        wrong("unknown option");
    }
}

static void parse(int argc, char **argv, struct command *c)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        parse_one(option, c);
    if (optind != argc) wrong("unexpected argument");
    if (c->load.server.family == 0 || c->ca == NULL) wrong("--server and --ca are needed");
    if (c->load.timeout == 0 || c->load.ping_interval == 0)
        wrong("--timeout and --interval are more than 0");
    if (c->load.cycles == 0 && c->load.duration == 0) c->load.cycles = c->load.guests;
}

static struct sw_tls_context *open_tls(const struct command *c)
{
    const struct load_options *load = &c->load;
    struct sw_tls_config config = {
        .role = SW_CLIENT,
        .transport = load->transport,
        .cipher = load->cipher,
        .keyshare = load->keyshare,
        .server_name = load->server_dn,
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    char *ca, why[256];
    int error;
    const char *detail = NULL;

    if (sw_slurp(c->ca, CA_MAX, &ca, &config.ca.len, why, sizeof why) < 0) {
        fprintf(stderr, "loadgen: %s: %s\n", c->ca, why);
        return NULL;
    }
    config.ca.text = ca;
    struct sw_tls_context *tls = sw_tls_context_new(&config, &error, &detail);
    if (tls == NULL)
        fprintf(stderr, "loadgen: TLS: %s%s%s\n", sw_strerror(error), detail != NULL ? ": " : "",
                detail != NULL ? detail : "");
    free(ca);
    return tls;
}

/* --- what is told ------------------------------------------------------------------------------*/

static double since(const struct load *load)
{
    return (double)(load->now - load->start) / (double)SW_SECOND;
}

static void tell_progress(const struct load *load, uint64_t online_before)
{
    const struct load_counts *c = &load->counts;

    fprintf(stderr, "%6.0f s: %u here, %llu begun, %llu online (%llu/s), %llu ended, %llu failed",
            since(load), load->engaged, (unsigned long long)c->begun, (unsigned long long)c->online,
            (unsigned long long)(c->online - online_before), (unsigned long long)c->ended,
            (unsigned long long)c->failed);
    if (load->options.ping != 0)
        fprintf(stderr, ", %llu of %llu pings answered", (unsigned long long)c->pongs,
                (unsigned long long)c->pings);
    fputc('\n', stderr);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double latency_ms(const struct load *load, double share)
{
    if (load->n_latencies == 0) return 0;
    size_t at = (size_t)(share * (double)(load->n_latencies - 1));
    return load->latencies[at] / 1000.0;
}

static json_t *failures(const struct load_counts *counts)
{
    json_t *out = json_object();

    for (int i = 1; i < LOAD_ERRORS; i++)
        if (counts->failures[i] > 0)
            json_object_set_new(out, sw_strerror(-i),
                                json_integer((json_int_t)counts->failures[i]));
    return out;
}

static json_t *report(struct load *load)
{
    const struct load_counts *c = &load->counts;
    double took = since(load);

    if (load->n_latencies > 0)
        qsort(load->latencies, load->n_latencies, sizeof *load->latencies, compare);
    return json_pack(
        "{s:f, s:I, s:I, s:I, s:I, s:o, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "seconds",
        took, "begun", (json_int_t)c->begun, "online", (json_int_t)c->online, "ended",
        (json_int_t)c->ended, "failed", (json_int_t)c->failed, "failures", failures(c),
        "socket_errors", (json_int_t)c->socket_errors, "online_per_second",
        took > 0 ? (double)c->online / took : 0, "connect_ms_p50", latency_ms(load, 0.5),
        "connect_ms_p99", latency_ms(load, 0.99), "connect_ms_max", latency_ms(load, 1), "pings",
        (json_int_t)c->pings, "pongs", (json_int_t)c->pongs, "datagrams", (json_int_t)c->datagrams,
        "unsent", (json_int_t)c->unsent);
}

static void tell(const json_t *all, bool as_json)
{
    const char *key;
    json_t *value;

    if (as_json) {
        json_dumpf(all, stdout, JSON_COMPACT);
        putchar('\n');
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)all, key, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        printf("%-18s %s\n", key, text != NULL ? text : "?");
        free(text);
    }
}

/* --- running -----------------------------------------------------------------------------------*/

static void run(struct load *load, bool quiet)
{
    sw_time end = load->options.duration > 0 ? load->start + load->options.duration : SW_NEVER;
    sw_time next = load->start + PROGRESS;
    uint64_t online = 0;

    while (load_run(load, next < end ? next : end)) {
        if (!load->stopping && (ended != 0 || load->now >= end)) {
            load_stop(load);
            end = load->now + LEAVE_TIMEOUT;
        } else if (load->now >= end) {
            return;
        }
        if (load->now < next) continue;
        next += PROGRESS;
        if (!quiet) tell_progress(load, online);
        online = load->counts.online;
    }
}

int main(int argc, char **argv)
{
    struct command c = {
        .load = {.user = "user",
                 .password = "password",
                 .guests = 10,
                 .timeout = 30 * SW_SECOND,
                 .ping_interval = SW_SECOND},
    };
    struct load load = {.epoll = -1};
    int status = 3;

    parse(argc, argv, &c);
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    load.options = c.load;
    load.tls = open_tls(&c);
    if (load.tls == NULL) return status;
    if (load_open(&load) < 0) {
        fprintf(stderr, "loadgen: %s\n", strerror(errno));
    } else {
        run(&load, c.quiet);
        json_t *all = report(&load);
        tell(all, c.json);
        json_decref(all);
        status = load.counts.failed == 0 ? 0 : 1;
    }
    load_close(&load);
    sw_tls_context_free(load.tls);
    return status;
}
