/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * One table per counter struct: the name, label and meaning of every field (host/metrics.h). Names
 * are those that stock programs use where the meaning is the same.
 */

#include "host/worker_metrics.h"

#include <slipway/error.h>
#include <string.h>

#include "lib/engine/reassembly.h"
#include "lib/offload/segment.h"

/* Seconds, as the stock programs count them. */
#define TOOK(field, sentence, index, limit)                                                        \
    SW_METRIC_BUCKET(struct sw_engine_counters, field, #field, sentence, index, limit)
#define ENGINE_DURATIONS(field, sentence)                                                          \
    TOOK(field, sentence, 0, "0.05"), TOOK(field, sentence, 1, "0.1"),                             \
        TOOK(field, sentence, 2, "0.25"), TOOK(field, sentence, 3, "0.5"),                         \
        TOOK(field, sentence, 4, "1"), TOOK(field, sentence, 5, "2.5"),                            \
        TOOK(field, sentence, 6, "10"), TOOK(field, sentence, 7, "+Inf")

#define ENGINE(field, sentence) SW_METRIC(struct sw_engine_counters, field, #field, sentence)
#define ENGINE_NAMED(field, name, sentence)                                                        \
    SW_METRIC(struct sw_engine_counters, field, name, sentence)

static const struct sw_metric_def engine_metrics[] = {
    ENGINE(udp_received, "Datagrams given to the engine"),
    ENGINE(udp_received_bytes, "Bytes of these"),
    ENGINE(udp_sent, "Datagrams the engine put into batches"),
    ENGINE(udp_sent_bytes, "Bytes of these"),
    ENGINE(udp_no_header, "Datagrams shorter than a Lightway header"),
    ENGINE(udp_parse_wire_failed, "Datagrams with an unusable Lightway header"),
    ENGINE(udp_bad_packet_version, "Datagrams of an unsupported protocol version"),
    ENGINE(udp_rejected_session, "REJECTs sent for unknown session ids"),
    ENGINE(udp_reject_limited, "REJECTs not sent because of the rate limit"),
    ENGINE(udp_reject_received, "Datagrams with the REJECTED session id, dropped"),
    ENGINE(udp_forged_record, "Plaintext alerts and malformed records kept from the TLS library"),
    ENGINE(handshake_begun_again, "Handshakes begun again after an altered or forged record"),
    ENGINE(udp_wrong_source, "Datagrams that did not come from the server"),
    ENGINE(udp_no_room, "Datagrams dropped because the batch was full"),
    ENGINE(expresslane_sent, "Expresslane packets sealed"),
    ENGINE(expresslane_received, "Expresslane packets opened"),
    ENGINE(expresslane_decrypt_no_key, "Expresslane packets for which there is no key"),
    ENGINE(expresslane_decrypt_failed, "Expresslane packets that are not authentic"),
    ENGINE(expresslane_replayed, "Expresslane packets seen before, or too old to tell"),
    ENGINE(expresslane_malformed, "Expresslane packets shorter than they say"),
    ENGINE(expresslane_exchanged, "Expresslane keys of ours that came into use"),
    ENGINE(expresslane_exchange_failed, "Expresslane keys that nobody acknowledged"),
    ENGINE(expresslane_degraded, "Connections whose Expresslane lost packets and was given up"),
    ENGINE(drop_encoded, "Encoded packets of Expresslane that no codec could make sense of"),
    ENGINE(received_encoding_req_non_online, "Requests to encode from clients not yet Online"),
    ENGINE(received_encoding_req_with_tcp, "Requests to encode over TCP"),
    ENGINE(received_encoding_req_no_authorization, "Requests to encode that were not granted"),
    ENGINE(received_encoding_res_as_server, "Answers to requests to encode, at a server"),
    ENGINE(hello_received, "ClientHellos handled without state"),
    ENGINE(hello_retry_sent, "HelloRetryRequests sent"),
    ENGINE(hello_amplification, "ClientHellos dropped because the answer would be larger"),
    ENGINE(hello_refused, "ClientHellos dropped: bad cookie, nothing in common, no hello"),
    ENGINE(hello_limited, "ClientHellos dropped because too many connections are half open"),
    ENGINE(hello_duplicate, "Copies of a live session's own ClientHello"),
    ENGINE(stream_limited, "TCP connections refused because too many are half open"),
    ENGINE(udp_conn_recovered_via_session, "Clients found by session id at a new address"),
    ENGINE(udp_session_rotation_begin, "Session id rotations begun"),
    ENGINE(udp_session_rotation_finalized, "Session id rotations completed"),
    ENGINE(udp_session_rotation_attempted_via_replay, "Replayed datagrams from a new address"),
    ENGINE(session_id_mismatch, "Authentic datagrams with another session id than expected"),
    ENGINE(conn_created, "Connections made"),
    ENGINE(conn_create_failed, "Connections that could not be made"),
    ENGINE(conn_link_up, "TLS handshakes completed"),
    ENGINE(conn_online, "Connections that came Online"),
    ENGINE_DURATIONS(to_link_up_time, "Seconds until TLS handshakes were completed"),
    ENGINE_DURATIONS(to_online_time, "Seconds until connections came Online"),
    ENGINE(conn_closed, "Connections ended, for any reason"),
    ENGINE(conn_client_closed, "Goodbyes received"),
    ENGINE(conn_stale_closed, "Connections closed because they did not come Online in time"),
    ENGINE(user_auth_eviction, "Sessions ended because what they were let in with has expired"),
    ENGINE(conn_aged_out, "Connections closed because nothing came from the client for long"),
    ENGINE(conn_replaced, "Connections replaced by a new one from the same address"),
    ENGINE(conn_rejected_no_free_ip, "Clients refused because no inside address was free"),
    ENGINE(conn_rejected_access_denied, "Clients refused because of their credentials"),
    ENGINE(conn_tls_error, "TLS errors while handling data of the peer"),
    ENGINE(conn_unknown_error, "Connections ended by a frame that is malformed or not allowed"),
    ENGINE(auth_requests, "Authentication requests received"),
    ENGINE(auth_repeated, "Authentication requests that repeated an earlier one"),
    ENGINE(auth_limited, "Authentication requests ignored after too many tries"),
    ENGINE(key_update_start, "TLS key updates begun"),
    ENGINE(key_update_complete, "TLS key updates that the client has followed"),
    ENGINE(key_update_abandoned, "TLS key updates that the client did not follow"),
    ENGINE(inside_to_tunnel, "Packets and segments sent to peers"),
    ENGINE(inside_to_tunnel_bytes, "Bytes of these"),
    ENGINE(tunnel_to_inside, "Packets of peers handed to the TUN"),
    ENGINE(tunnel_to_inside_bytes, "Bytes of these"),
    ENGINE(superpackets, "Superpackets cut into segments"),
    ENGINE(superpacket_segments, "Segments made of superpackets"),
    ENGINE(checksums_completed, "Checksums of single packets that the kernel left to us"),
    ENGINE_NAMED(drop_not_online, "tun_rejected_packet_invalid_state",
                 "Inside packets for a connection that is not Online"),
    ENGINE_NAMED(drop_invalid_packet, "tun_rejected_packet_invalid_inside_packet",
                 "Inside packets that are not whole IPv4 packets"),
    ENGINE(drop_oversize, "Inside packets or segments larger than the tunnel carries"),
    ENGINE(drop_queue_full, "Inside packets and answers dropped because a TCP peer is too slow"),
    ENGINE(drop_tls_write, "Records that could not be written"),
    ENGINE(drop_data_not_online, "Data of a peer before it was Online"),
    ENGINE(drop_invalid_inside_packet, "Data of a peer that is no IPv4 packet"),
    ENGINE(inside_fragmented, "Inside packets sent in fragments"),
    ENGINE(fragments_sent, "Fragments they were sent in"),
    ENGINE(fragments_received, "Fragments received"),
    ENGINE(conn_alloc_frag_map, "Connections that got room to put fragments together"),
    ENGINE(superpackets_recut, "TCP superpackets cut into smaller segments, for a narrow path"),
    ENGINE(mss_clamped, "TCP SYN packets whose MSS was lowered"),
    ENGINE(pmtud_probes, "Probes of the path MTU sent"),
    ENGINE(pmtud_probes_answered, "Probes of the path MTU answered"),
    ENGINE(pmtud_too_long, "Datagrams that the kernel called too long for the link"),
    ENGINE(pmtud_black_holes, "Times a path turned out to carry less than it did"),
    ENGINE(drop_bad_frame, "Undecodable frames over UDP"),
    ENGINE(gso_none_checksum_skipped, "Checksum offsets outside the packet"),
    ENGINE(plugin_dropped, "Packets and datagrams that a plugin dropped"),
    ENGINE(plugin_replied, "Packets that a plugin answered"),
    ENGINE(plugin_failed, "Packets and datagrams on which a plugin failed"),
    ENGINE(inside_source_refused, "Packets of clients from another address than they were told"),
    ENGINE(frames_ignored, "Frames of kinds that are ignored"),
};

#define REFUSAL(index, reason)                                                                     \
    {                                                                                              \
        .name = "gso_dropped_superpacket", .label_key = "reason", .label_value = reason,           \
        .help = "Superpackets refused by the segmenter",                                           \
        .offset = offsetof(struct sw_engine_counters, drop_segmenter) + (index) * sizeof(uint64_t) \
    }

static const struct sw_metric_def segmenter_metrics[] = {
    REFUSAL(SW_REFUSED_EMPTY, "empty"),
    REFUSAL(SW_REFUSED_IP_VERSION, "ip_version"),
    REFUSAL(SW_REFUSED_IP_HEADER, "ip_header"),
    REFUSAL(SW_REFUSED_PROTOCOL, "protocol"),
    REFUSAL(SW_REFUSED_TRANSPORT_HEADER, "transport_header"),
    REFUSAL(SW_REFUSED_GSO_TYPE, "gso_type"),
    REFUSAL(SW_REFUSED_GSO_SIZE, "gso_size"),
    REFUSAL(SW_REFUSED_CSUM_START, "csum_start"),
    REFUSAL(SW_REFUSED_LENGTH, "length"),
};

#define FRAGMENT(index, reason)                                                                    \
    {                                                                                              \
        .name = "drop_fragment", .label_key = "reason", .label_value = reason,                     \
        .help = "Packets that could not be put together from their fragments",                     \
        .offset = offsetof(struct sw_engine_counters, fragment_fates) + (index) * sizeof(uint64_t) \
    }

static const struct sw_metric_def fragment_metrics[] = {
    {.name = "fragments_kept",
     .help = "Fragments kept until the others of their packet come",
     .offset =
         offsetof(struct sw_engine_counters, fragment_fates) + SW_FRAGMENT_KEPT * sizeof(uint64_t)},
    {.name = "fragments_reassembled",
     .help = "Packets put together from fragments",
     .offset = offsetof(struct sw_engine_counters, fragment_fates) +
               SW_FRAGMENT_COMPLETES * sizeof(uint64_t)},
    FRAGMENT(SW_FRAGMENT_MALFORMED, "malformed"),
    FRAGMENT(SW_FRAGMENT_OVERLAPS, "overlap"),
    FRAGMENT(SW_FRAGMENT_BEYOND, "end"),
    FRAGMENT(SW_FRAGMENT_TOO_MANY, "too_many"),
    FRAGMENT(SW_FRAGMENT_EXPIRED, "expired"),
    FRAGMENT(SW_FRAGMENT_EVICTED, "evicted"),
};

#define UDP(field, sentence) SW_METRIC(struct sw_udp_counters, field, "udp_" #field, sentence)

static const struct sw_metric_def udp_metrics[] = {
    UDP(recv_calls, "Receive calls on UDP sockets"),
    UDP(recv_datagrams, "Datagrams received"),
    UDP(recv_bytes, "Bytes of these"),
    UDP(gro_runs, "Runs of several datagrams received at once (UDP_GRO)"),
    UDP(gro_datagrams, "Datagrams in these runs"),
    UDP(recv_truncated, "Datagrams longer than the receive buffer, dropped"),
    UDP(recv_invalid_addr, "Datagrams from nowhere that could be answered, dropped"),
    UDP(recv_missing_pktinfo, "Datagrams without the local address they came to"),
    UDP(recv_errors, "Receive errors, mostly news about earlier sends"),
    SW_METRIC_HISTOGRAM(struct sw_udp_counters, batch_size, "udp_recv_batch_size",
                        "Messages received with at most so many datagrams"),
};

#define SEND(field, name, sentence) SW_METRIC(struct sw_udp_send_counters, field, name, sentence)
#define DROP(index, reason)                                                                        \
    {                                                                                              \
        .name = "udp_send_dropped", .label_key = "reason", .label_value = reason,                  \
        .help = "Datagrams the kernel refused",                                                    \
        .offset = offsetof(struct sw_udp_send_counters, dropped) + (index) * sizeof(uint64_t)      \
    }

static const struct sw_metric_def udp_send_metrics[] = {
    SEND(calls, "udp_send_calls", "Send calls on UDP sockets"),
    SEND(messages, "udp_send_messages", "Messages the kernel took"),
    SEND(datagrams, "udp_send_datagrams", "Datagrams in these"),
    SEND(bytes, "udp_send_bytes", "Bytes of these"),
    SEND(gso_messages, "udp_gso_messages", "Messages with UDP_SEGMENT"),
    SEND(gso_datagrams, "udp_gso_datagrams", "Datagrams in these"),
    SEND(blocked, "udp_send_blocked", "Times a batch waited because the socket was full"),
    SEND(gso_send_failed, "gso_send_failed", "Messages refused with UDP_SEGMENT and sent singly"),
    SEND(gso_latched, "gso_latched", "Times UDP_SEGMENT was switched off for a socket"),
    SW_METRIC_NOW(struct sw_udp_send_counters, gso_off, "gso_off",
                  "Sockets for which UDP_SEGMENT is switched off now"),
    SEND(gso_peer_limited, "gso_peer_limited", "Times a peer's path was found too narrow for it"),
    DROP(SW_UDP_DROP_NO_BUFFERS, "no_buffers"),
    DROP(SW_UDP_DROP_TOO_LONG, "too_long"),
    DROP(SW_UDP_DROP_UNREACHABLE, "unreachable"),
    DROP(SW_UDP_DROP_REFUSED, "refused"),
    DROP(SW_UDP_DROP_FORBIDDEN, "forbidden"),
    DROP(SW_UDP_DROP_OTHER, "other"),
    SW_METRIC_HISTOGRAM(struct sw_udp_send_counters, batch_size, "udp_send_batch_size",
                        "Messages sent with at most so many datagrams"),
};

#define TUN(field, name, sentence) SW_METRIC(struct sw_tun_counters, field, name, sentence)

static const struct sw_metric_def tun_metrics[] = {
    TUN(reads, "tun_reads", "Packets and superpackets read from the TUN"),
    TUN(read_bytes, "tun_to_client", "Bytes of these, without the virtio header"),
    TUN(superpackets, "tun_superpackets", "Superpackets among them"),
    TUN(read_blocked, "tun_reads_blocked", "Reads of the TUN that found nothing"),
    TUN(short_reads, "tun_recv_gso_short_read", "Reads without a packet behind the virtio header"),
    TUN(read_errors, "tun_read_errors", "Reads of the TUN that failed"),
    TUN(writes, "tun_writes", "Packets written to the TUN"),
    TUN(superpackets_written, "tun_superpackets_written", "Superpackets among them"),
    TUN(write_bytes, "tun_from_client", "Bytes of these, without the virtio header"),
    TUN(write_errors, "inside_io_send_failed", "Packets the TUN refused"),
};

#define TUN_DROP(index, reason)                                                                    \
    {                                                                                              \
        .name = "tun_write_dropped", .label_key = "reason", .label_value = reason,                 \
        .help = "Packets the TUN refused, by reason",                                              \
        .offset = offsetof(struct sw_tun_counters, write_dropped) + (index) * sizeof(uint64_t)     \
    }

static const struct sw_metric_def tun_drop_metrics[] = {
    TUN_DROP(SW_TUN_REFUSED_NO_BUFFERS, "no_buffers"),
    TUN_DROP(SW_TUN_REFUSED_FULL, "full"),
    TUN_DROP(SW_TUN_REFUSED_DOWN, "down"),
    TUN_DROP(SW_TUN_REFUSED_INVALID, "invalid"),
    TUN_DROP(SW_TUN_REFUSED_OTHER, "other"),
};

static const struct sw_metric_def tun_queue_metrics[] = {
    SW_METRIC(struct sw_tun_queue, changes, "tun_queue_changes",
              "Times the length of the TUN's queue was set"),
    SW_METRIC_NOW(struct sw_tun_queue, is_short, "tun_queue_short",
                  "TUN queues that are short now because superpackets come"),
};

#define WRITER(field, name, sentence)                                                              \
    SW_METRIC(struct sw_inside_writer_counters, field, name, sentence)
#define WRITER_OFF(index, kind_name)                                                               \
    {                                                                                              \
        .name = "tun_gro_off", .label_key = "kind", .label_value = kind_name,                      \
        .help = "TUN queues that such superpackets are not written to now",                        \
        .offset = offsetof(struct sw_inside_writer_counters, off) + (index) * sizeof(uint64_t),    \
        .kind = SW_METRIC_GAUGE                                                                    \
    }

static const struct sw_metric_def writer_metrics[] = {
    WRITER(refused, "tun_gro_refused", "Superpackets the TUN refused, written singly"),
    WRITER(resent_segments, "tun_gro_resent", "Packets they were written as"),
    WRITER(latched, "tun_gro_latched", "Times a kind of superpacket was switched off"),
    WRITER_OFF(SW_INSIDE_TCP, "tcp"),
    WRITER_OFF(SW_INSIDE_UDP, "udp"),
};

#define MERGE(field, name, sentence) SW_METRIC(struct sw_coalesce_counters, field, name, sentence)
#define APART(index, reason)                                                                       \
    {                                                                                              \
        .name = "tun_gro_apart", .label_key = "reason", .label_value = reason,                     \
        .help = "Packets that could not join the one before them",                                 \
        .offset = offsetof(struct sw_coalesce_counters, reasons) + (index) * sizeof(uint64_t)      \
    }

static const struct sw_metric_def merge_metrics[] = {
    MERGE(packets, "tun_gro_packets", "Packets on their way to the TUN that might be merged"),
    MERGE(superpackets, "tun_gro_superpackets", "Superpackets made of them"),
    MERGE(merged, "tun_gro_merged", "Packets in these"),
    MERGE(singles, "tun_gro_singles", "Packets written as they were"),
    MERGE(evicted, "tun_gro_evicted", "Superpackets ended because too many flows were open"),
    MERGE(unwritten, "tun_gro_unwritten", "Packets that the TUN refused at last"),
    APART(SW_COALESCE_LENGTH, "length"),
    APART(SW_COALESCE_OPTIONS, "options"),
    APART(SW_COALESCE_FRAGMENT, "fragment"),
    APART(SW_COALESCE_PROTOCOL, "protocol"),
    APART(SW_COALESCE_HEADER, "header"),
    APART(SW_COALESCE_FLAGS, "flags"),
    APART(SW_COALESCE_EMPTY, "empty"),
    APART(SW_COALESCE_NO_CHECKSUM, "no_checksum"),
    APART(SW_COALESCE_CHECKSUM, "checksum"),
    APART(SW_COALESCE_PUSHED, "pushed"),
    APART(SW_COALESCE_FIELDS, "fields"),
    APART(SW_COALESCE_ID, "id"),
    APART(SW_COALESCE_SEQUENCE, "sequence"),
    APART(SW_COALESCE_SIZE, "size"),
    APART(SW_COALESCE_FULL, "full"),
};

#define TCP(field, name, sentence) SW_METRIC(struct sw_tcp_counters, field, name, sentence)

static const struct sw_metric_def tcp_metrics[] = {
    TCP(accepted, "tcp_accepted", "TCP connections accepted"),
    TCP(accept_failed, "conn_accept_failed", "TCP connections that could not be accepted"),
    TCP(proxy_header_failed, "connection_accept_proxy_header_failed",
        "TCP connections closed for a bad or missing PROXY protocol header"),
    TCP(recv_calls, "tcp_recv_calls", "Receive calls on TCP sockets"),
    TCP(recv_bytes, "tcp_recv_bytes", "Bytes received over TCP"),
    TCP(send_calls, "tcp_send_calls", "Send calls on TCP sockets"),
    TCP(send_bytes, "tcp_send_bytes", "Bytes sent over TCP"),
    TCP(send_blocked, "tcp_send_blocked", "Times a TCP socket was full"),
};

#define WORKER(field, name, sentence) SW_METRIC(struct sw_worker_counters, field, name, sentence)

static const struct sw_metric_def worker_metrics[] = {
    WORKER(wakeups, "worker_wakeups", "Times the loop woke up with something to do"),
    WORKER(no_connection, "tun_rejected_packet_no_connection",
           "Inside packets to an address that no connection has"),
    WORKER(not_ipv4, "tun_rejected_packet_not_ipv4", "Inside packets other than IPv4"),
    WORKER(paused, "tun_paused", "Times reading of the TUN stopped for a full socket or queue"),
    WORKER(held_dropped, "tun_held_dropped", "Inside packets whose connection closed meanwhile"),
    WORKER(inside_discarded, "tun_discarded", "Packets of peers that came before the TUN"),
    WORKER(mail_datagrams, "worker_mail_datagrams", "Datagrams handed to the worker they are for"),
    WORKER(mail_inside, "worker_mail_inside",
           "Packets and superpackets of the TUN handed to the worker they are for"),
    WORKER(mail_full, "worker_mail_full", "Mail to a worker dropped because it is too far behind"),
    WORKER(placed, "worker_connections_placed", "Connections given to a less busy worker"),
    WORKER(mail_received, "worker_mail_received", "Mail of other workers taken"),
};

int sw_worker_metrics_add(struct sw_metrics *metrics, const struct sw_worker_sections *sections)
{
    const struct {
        const struct sw_metric_def *table;
        size_t n;
        const void *counters;
    } all[] = {
        {worker_metrics, SW_METRIC_COUNT(worker_metrics), sections->worker},
        {udp_metrics, SW_METRIC_COUNT(udp_metrics), sections->udp},
        {udp_send_metrics, SW_METRIC_COUNT(udp_send_metrics), sections->udp_send},
        {tun_metrics, SW_METRIC_COUNT(tun_metrics), sections->tun},
        {tun_drop_metrics, SW_METRIC_COUNT(tun_drop_metrics), sections->tun},
        {tun_queue_metrics, SW_METRIC_COUNT(tun_queue_metrics), sections->tun_queue},
        {tcp_metrics, SW_METRIC_COUNT(tcp_metrics), sections->tcp},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (sw_metrics_add(metrics, all[i].table, all[i].n, all[i].counters) < 0) return SW_ENOMEM;
    return sw_worker_metrics_engine(metrics, sections->past);
}

int sw_worker_metrics_writer(struct sw_metrics *metrics, const struct sw_inside_writer *writer)
{
    if (metrics == NULL) return 0;
    if (sw_metrics_add(metrics, writer_metrics, SW_METRIC_COUNT(writer_metrics),
                       sw_inside_writer_counters(writer)) < 0)
        return SW_ENOMEM;
    return sw_metrics_add(metrics, merge_metrics, SW_METRIC_COUNT(merge_metrics),
                          sw_inside_writer_merged(writer));
}

int sw_worker_metrics_engine(struct sw_metrics *metrics, const struct sw_engine_counters *counters)
{
    if (metrics == NULL) return 0;
    if (sw_metrics_add(metrics, engine_metrics, SW_METRIC_COUNT(engine_metrics), counters) < 0)
        return SW_ENOMEM;
    if (sw_metrics_add(metrics, fragment_metrics, SW_METRIC_COUNT(fragment_metrics), counters) < 0)
        return SW_ENOMEM;
    return sw_metrics_add(metrics, segmenter_metrics, SW_METRIC_COUNT(segmenter_metrics), counters);
}

_Static_assert(sizeof(struct sw_engine_counters) % sizeof(uint64_t) == 0,
               "the engine's counters are an array of uint64_t in all but name");

void sw_worker_metrics_engine_gone(struct sw_metrics *metrics,
                                   const struct sw_engine_counters *counters,
                                   struct sw_engine_counters *past)
{
    enum { N = sizeof *past / sizeof(uint64_t) };
    uint64_t sum[N], last[N];
    if (metrics != NULL) sw_metrics_remove(metrics, counters);
    memcpy(sum, past, sizeof sum);
    memcpy(last, counters, sizeof last);
    for (size_t i = 0; i < N; i++)
        sum[i] += last[i];
    memcpy(past, sum, sizeof sum);
}
