/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * bench-limit: the least work that the two ends of such a tunnel can do on this kernel. The bench
 * shows every rate as a share of it, so that everybody sees how far the limit is.
 *
 * One thread between a TUN device and a UDP socket: superpackets are read whole (IFF_VNET_HDR,
 * TSO), each segment is sealed with AES-256-GCM behind a header of the length that Expresslane has
 * (docs/protocol/expresslane.md), and all segments of one superpacket leave with one UDP_SEGMENT
 * send. What arrives is received in runs (UDP_GRO), opened, checked against its TCP checksum, put
 * together while it is the same flow (docs/offload.md E.3), and written as superpackets.
 *
 * It is a measuring stick and nothing to use or to grow from. The key is well known. There is no
 * handshake, session, replay window, timer or address check, and what a packet says of itself is
 * believed; one flow at a time is put together; IPv4 only; one peer.
 *
 * SIGUSR1 makes it print its counters as one line of JSON.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <intel-ipsec-mb.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    VNET_LEN = 10, /* virtio header of the TUN */
    VNET_NEEDS_CSUM = 1,
    VNET_TCPV4 = 1,

    /* 16 bytes of wire header, then session id and counter (the AAD), nonce, tag, length */
    OVERHEAD = 56,
    AAD = 8,
    AAD_LEN = 18,
    COUNTER = 16,
    NONCE = 24,
    TAG = 36,
    TAG_LEN = 16,
    LENGTH = 52,

    PACKET_MAX = 65536,
    BATCH_MAX = 65000, /* bytes of one UDP_SEGMENT send */
    SEGMENTS_MAX = 64, /* and datagrams */
    SUPER_MAX = 65500, /* bytes of a superpacket put together */
    TURNS = 16,        /* reads of one side before the other is looked at */
    SOCKET_BUFFER = 8 << 20,

    PROTOCOL_TCP = 6,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    FLAG_FIN = 1,
    FLAG_PSH = 8,
    FLAG_ACK = 16,
};

/* Where the superpacket for the TUN stands; length 0: there is none. */
struct run {
    int length, header, segment, count;
    uint32_t next;
    uint8_t bytes[VNET_LEN + PACKET_MAX + 2048];
};

struct counters {
    unsigned long polls, tun_reads, tun_reads_blocked, tun_writes;
    unsigned long sends, sent, receives, receives_blocked, received;
};

struct limit {
    int tun, udp, signals;
    struct sockaddr_in peer;
    bool sealed; /* false: the packets travel as they are */
    IMB_MGR *mb;
    _Alignas(64) struct gcm_key_data key; /* written with aligned stores */
    struct gcm_context_data context;
    uint64_t counter;
    struct counters counters;
    uint8_t inside[VNET_LEN + PACKET_MAX];
    uint8_t batch[2 * PACKET_MAX];
    uint8_t outside[PACKET_MAX];
    uint8_t plain[PACKET_MAX];
    struct run run;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* --- checksums ------------------------------------------------------------------------------- */

static uint64_t sum_bytes(const uint8_t *p, size_t n, uint64_t sum)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        sum += (word & 0xffffffff) + (word >> 32);
    }
    for (; n >= 2; n -= 2, p += 2) {
        uint16_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
    }
    return n > 0 ? sum + *p : sum;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* Sums are kept in the byte order of the packet. */
static void put_sum(uint8_t *at, uint16_t sum)
{
    memcpy(at, &sum, sizeof sum);
}

static uint64_t pseudo_header(const uint8_t *ip, size_t tcp_length)
{
    return sum_bytes(ip + 12, 8, 0) + htons(PROTOCOL_TCP) + htons((uint16_t)tcp_length);
}

static void put_ip_checksum(uint8_t *ip, int ip_header)
{
    sw_put_be16(ip + 10, 0);
    put_sum(ip + 10, (uint16_t)~fold(sum_bytes(ip, (size_t)ip_header, 0)));
}

static int ip_header_length(const uint8_t *ip)
{
    return (ip[0] & 15) * 4;
}

static int tcp_header_length(const uint8_t *tcp)
{
    return (tcp[12] >> 4) * 4;
}

/* --- inside to outside ------------------------------------------------------------------------ */

/* One datagram of header and payload at out. Its length. */
static size_t seal(struct limit *l, uint8_t *out, const uint8_t *header, size_t header_len,
                   const uint8_t *payload, size_t payload_len)
{
    static const uint8_t start[] = {'H', 'e', 1, 3};
    uint8_t *sealed = out + OVERHEAD;
    memset(out, 0, OVERHEAD);
    memcpy(out, start, sizeof start);
    l->counter++;
    memcpy(out + COUNTER, &l->counter, sizeof l->counter);
    memcpy(out + NONCE, &l->counter, sizeof l->counter);
    sw_put_be16(out + LENGTH, (uint16_t)(header_len + payload_len));
    if (l->sealed) {
        IMB_AES256_GCM_INIT(l->mb, &l->key, &l->context, out + NONCE, out + AAD, AAD_LEN);
        IMB_AES256_GCM_ENC_UPDATE(l->mb, &l->key, &l->context, sealed, header, header_len);
        IMB_AES256_GCM_ENC_UPDATE(l->mb, &l->key, &l->context, sealed + header_len, payload,
                                  payload_len);
        IMB_AES256_GCM_ENC_FINALIZE(l->mb, &l->key, &l->context, out + TAG, TAG_LEN);
    } else {
        memcpy(sealed, header, header_len);
        memcpy(sealed + header_len, payload, payload_len);
    }
    l->counters.sent++;
    return OVERHEAD + header_len + payload_len;
}

/* The first length bytes of the batch as datagrams of segment bytes; the last may be shorter. */
static void send_batch(struct limit *l, size_t length, size_t segment)
{
    struct iovec iov = {l->batch, length};
    char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
    struct msghdr message = {
        .msg_name = &l->peer, .msg_namelen = sizeof l->peer, .msg_iov = &iov, .msg_iovlen = 1};
    if (length > segment) {
        uint16_t size = (uint16_t)segment;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    for (;;) {
        l->counters.sends++;
        if (sendmsg(l->udp, &message, 0) >= 0) return;
        if (errno != EAGAIN && errno != ENOBUFS) {
            perror("sendmsg");
            return;
        }
        struct pollfd writable = {.fd = l->udp, .events = POLLOUT};
        l->counters.polls++;
        poll(&writable, 1, 10);
    }
}

/* The headers of the segment that carries length bytes from offset on. */
static void make_headers(uint8_t *out, const uint8_t *ip, int ip_header, int header, int offset,
                         int length, int index, bool is_last)
{
    uint8_t *tcp = out + ip_header;
    memcpy(out, ip, (size_t)header);
    sw_put_be16(out + 2, (uint16_t)(header + length));
    sw_put_be16(out + 4, (uint16_t)(sw_get_be16(ip + 4) + index));
    put_ip_checksum(out, ip_header);
    sw_put_be32(tcp + 4, sw_get_be32(tcp + 4) + (uint32_t)(offset - header));
    if (!is_last) tcp[TCP_FLAGS] &= (uint8_t) ~(FLAG_FIN | FLAG_PSH);
    sw_put_be16(tcp + TCP_CHECKSUM, 0);
    uint64_t sum = pseudo_header(out, (size_t)(header - ip_header + length));
    sum = sum_bytes(tcp, (size_t)(header - ip_header), sum);
    put_sum(tcp + TCP_CHECKSUM, (uint16_t)~fold(sum_bytes(ip + offset, (size_t)length, sum)));
}

static void send_superpacket(struct limit *l, const uint8_t *ip, int length, int segment)
{
    int ip_header = ip_header_length(ip);
    int header = ip_header + tcp_header_length(ip + ip_header);
    size_t stride = OVERHEAD + (size_t)header + (size_t)segment, filled = 0;
    uint8_t headers[120];
    int index = 0, in_batch = 0;
    for (int offset = header; offset < length; offset += segment, index++) {
        int part = length - offset < segment ? length - offset : segment;
        make_headers(headers, ip, ip_header, header, offset, part, index, offset + part == length);
        if (filled + stride > BATCH_MAX || in_batch == SEGMENTS_MAX) {
            send_batch(l, filled, stride);
            filled = 0;
            in_batch = 0;
        }
        filled += seal(l, l->batch + filled, headers, (size_t)header, ip + offset, (size_t)part);
        in_batch++;
    }
    if (filled > 0) send_batch(l, filled, stride);
}

static void send_single(struct limit *l, uint8_t *ip, int length, const uint8_t *vnet)
{
    if ((vnet[0] & VNET_NEEDS_CSUM) != 0) {
        uint16_t start, offset, partial;
        memcpy(&start, vnet + 6, sizeof start);
        memcpy(&offset, vnet + 8, sizeof offset);
        uint8_t *at = ip + start + offset;
        memcpy(&partial, at, sizeof partial);
        sw_put_be16(at, 0);
        put_sum(at, (uint16_t)~fold(sum_bytes(ip + start, (size_t)(length - start), partial)));
    }
    size_t n = seal(l, l->batch, ip, (size_t)length, ip, 0);
    send_batch(l, n, n);
}

static bool from_tun(struct limit *l)
{
    ssize_t n = read(l->tun, l->inside, sizeof l->inside);
    if (n <= VNET_LEN) {
        l->counters.tun_reads_blocked++;
        return false;
    }
    l->counters.tun_reads++;
    uint8_t *ip = l->inside + VNET_LEN;
    int length = (int)n - VNET_LEN;
    uint16_t segment;
    if (ip[0] >> 4 != 4) return true;
    memcpy(&segment, l->inside + 4, sizeof segment);
    if ((l->inside[1] & 0x7f) == VNET_TCPV4)
        send_superpacket(l, ip, length, segment);
    else
        send_single(l, ip, length, l->inside);
    return true;
}

/* --- outside to inside ------------------------------------------------------------------------ */

static void write_tun(struct limit *l, const uint8_t *bytes, int length)
{
    l->counters.tun_writes++;
    if (write(l->tun, bytes, (size_t)length) < 0 && errno != EAGAIN) perror("write");
}

static void flush_run(struct limit *l)
{
    struct run *run = &l->run;
    uint8_t *vnet = run->bytes, *ip = vnet + VNET_LEN;
    if (run->length == 0) return;
    memset(vnet, 0, VNET_LEN);
    if (run->count > 1) {
        int ip_header = ip_header_length(ip);
        uint16_t fields[4] = {(uint16_t)run->header, (uint16_t)run->segment, (uint16_t)ip_header,
                              TCP_CHECKSUM};
        vnet[0] = VNET_NEEDS_CSUM;
        vnet[1] = VNET_TCPV4;
        memcpy(vnet + 2, fields, sizeof fields);
        sw_put_be16(ip + 2, (uint16_t)run->length);
        put_ip_checksum(ip, ip_header);
        put_sum(ip + ip_header + TCP_CHECKSUM,
                fold(pseudo_header(ip, (size_t)(run->length - ip_header))));
    }
    write_tun(l, run->bytes, VNET_LEN + run->length);
    run->length = 0;
}

static void write_single(struct limit *l, const uint8_t *packet, int length)
{
    uint8_t *bytes = l->run.bytes;
    flush_run(l);
    memset(bytes, 0, VNET_LEN);
    memcpy(bytes + VNET_LEN, packet, (size_t)length);
    write_tun(l, bytes, VNET_LEN + length);
}

/* Same flow, acknowledgement, window and options, and the next bytes of the stream? */
static bool continues_run(const struct run *run, const uint8_t *packet, int header, int payload)
{
    const uint8_t *first = run->bytes + VNET_LEN;
    return run->length > 0 && run->header == header && payload <= run->segment &&
           (run->length - header) % run->segment == 0 && run->length + payload < SUPER_MAX &&
           sw_get_be32(packet + 24) == run->next &&
           memcmp(first + 12, packet + 12, 12) == 0 &&                  /* addresses, ports */
           memcmp(first + 28, packet + 28, 4) == 0 &&                   /* acknowledgement */
           memcmp(first + 40, packet + 40, (size_t)(header - 40)) == 0; /* options */
}

static void to_tun(struct limit *l, const uint8_t *packet, int length)
{
    struct run *run = &l->run;
    uint8_t *first = run->bytes + VNET_LEN;
    const uint8_t *tcp = packet + 20;
    if (packet[9] != PROTOCOL_TCP || ip_header_length(packet) != 20) {
        write_single(l, packet, length);
        return;
    }
    int header = 20 + tcp_header_length(tcp), payload = length - header;
    uint8_t flags = tcp[TCP_FLAGS];
    if (header < 40 || payload <= 0 || (flags & ~(FLAG_ACK | FLAG_PSH)) != 0) {
        write_single(l, packet, length);
        return;
    }
    size_t tcp_length = (size_t)(length - 20);
    if (fold(sum_bytes(tcp, tcp_length, pseudo_header(packet, tcp_length))) != 0xffff) return;
    if (continues_run(run, packet, header, payload)) {
        memcpy(first + run->length, packet + header, (size_t)payload);
        first[20 + TCP_FLAGS] |= flags & FLAG_PSH;
        run->length += payload;
        run->next += (uint32_t)payload;
        run->count++;
        if (payload < run->segment || (flags & FLAG_PSH) != 0) flush_run(l);
        return;
    }
    flush_run(l);
    memcpy(first, packet, (size_t)length);
    run->length = length;
    run->header = header;
    run->segment = payload;
    run->count = 1;
    run->next = sw_get_be32(tcp + 4) + (uint32_t)payload;
}

static void open_datagram(struct limit *l, const uint8_t *datagram, int length)
{
    if (length <= OVERHEAD + 20) return;
    const uint8_t *packet = datagram + OVERHEAD;
    l->counters.received++;
    if (l->sealed) {
        uint8_t tag[TAG_LEN];
        IMB_AES256_GCM_DEC(l->mb, &l->key, &l->context, l->plain, packet,
                           (uint64_t)(length - OVERHEAD), datagram + NONCE, datagram + AAD, AAD_LEN,
                           tag, TAG_LEN);
        if (memcmp(tag, datagram + TAG, TAG_LEN) != 0) {
            fputs("bad tag\n", stderr);
            return;
        }
        packet = l->plain;
    }
    to_tun(l, packet, length - OVERHEAD);
}

static bool from_udp(struct limit *l)
{
    struct iovec iov = {l->outside, sizeof l->outside};
    char control[128];
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(l->udp, &message, 0);
    if (n <= 0) {
        l->counters.receives_blocked++;
        return false;
    }
    l->counters.receives++;
    int length = (int)n, segment = length;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
    for (int offset = 0; offset < length; offset += segment) {
        int left = length - offset;
        open_datagram(l, l->outside + offset, left < segment ? left : segment);
    }
    return true;
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int open_tun(const char *name)
{
    int header = VNET_LEN, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) die(name);
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
        die("TUN offload");
    return fd;
}

static int open_udp(const struct sockaddr_in *local)
{
    int one = 1, size = SOCKET_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    if (setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one) < 0) die("UDP_GRO");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (bind(fd, (const struct sockaddr *)local, sizeof *local) < 0) die("bind");
    return fd;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) die("sigprocmask");
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) die("signalfd");
    return fd;
}

static void open_crypto(struct limit *l)
{
    uint8_t key[32] = {1};
    l->mb = alloc_mb_mgr(0);
    if (l->mb == NULL) die("alloc_mb_mgr");
    init_mb_mgr_auto(l->mb, NULL);
    IMB_AES256_GCM_PRE(l->mb, key, &l->key);
}

static void print_counters(struct limit *l)
{
    const struct counters *c = &l->counters;
    struct signalfd_siginfo info;
    if (read(l->signals, &info, sizeof info) < 0) return;
    printf("{\"polls\": %lu, \"tun_reads\": %lu, \"tun_reads_blocked\": %lu, \"tun_writes\": %lu, "
           "\"sends\": %lu, \"receives\": %lu, \"receives_blocked\": %lu, "
           "\"datagrams_sent\": %lu, \"datagrams_received\": %lu}\n",
           c->polls, c->tun_reads, c->tun_reads_blocked, c->tun_writes, c->sends, c->receives,
           c->receives_blocked, c->sent, c->received);
    fflush(stdout);
}

static void carry(struct limit *l)
{
    struct pollfd ready[] = {{.fd = l->tun, .events = POLLIN},
                             {.fd = l->udp, .events = POLLIN},
                             {.fd = l->signals, .events = POLLIN}};
    for (;;) {
        l->counters.polls++;
        poll(ready, sizeof ready / sizeof ready[0], -1);
        if (ready[0].revents != 0)
            for (int i = 0; i < TURNS && from_tun(l); i++)
                continue;
        if (ready[1].revents != 0) {
            for (int i = 0; i < TURNS && from_udp(l); i++)
                continue;
            flush_run(l);
        }
        if (ready[2].revents != 0) print_counters(l);
    }
}

int main(int argc, char **argv)
{
    static struct limit limit;
    struct sockaddr_in local = {.sin_family = AF_INET};
    if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "null") != 0)) {
        fputs("usage: bench-limit TUN LOCAL-IP PEER-IP PORT [null]\n"
              "null: without encryption\n",
              stderr);
        return 2;
    }
    local.sin_port = htons((uint16_t)atoi(argv[4]));
    limit.peer = local;
    if (inet_pton(AF_INET, argv[2], &local.sin_addr) != 1 ||
        inet_pton(AF_INET, argv[3], &limit.peer.sin_addr) != 1) {
        fputs("bench-limit: addresses are numeric IPv4 addresses\n", stderr);
        return 2;
    }
    limit.sealed = argc == 5;
    open_crypto(&limit);
    limit.signals = open_signals();
    limit.udp = open_udp(&local);
    limit.tun = open_tun(argv[1]);
    carry(&limit);
}
