/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * Authentication, both roles (docs/protocol/session.md §7, §8). A client over UDP repeats its
 * request until it is Online, and a server must answer each; credentials are verified once and the
 * digest of the request remembered, so that repetitions cost nothing. The inside address is taken
 * only after the credentials were right.
 */

#include <string.h>

#include "lib/engine/engine.h"

#define REPEAT_FIRST   (100 * SW_MILLISECOND)
#define REPEAT_LONGEST (1600 * SW_MILLISECOND)

static struct sw_span span(const char *text, size_t len)
{
    return (struct sw_span){(const uint8_t *)text, len};
}

static int send_request(struct sw_conn *conn)
{
    const struct sw_credentials *c = &conn->engine->config.credentials;
    const struct sw_frame frame = {
        .kind = SW_FRAME_AUTH_REQUEST,
        .auth_request =
            {
                .method = (enum sw_auth_method)c->method,
                .version = SW_VERSION_MAX,
                .user = span(c->user, c->user_len),
                .password = span(c->password, c->password_len),
                .token = span(c->token, c->token_len),
            },
    };
    int r = sw_conn_send_frame(conn, &frame);

    sw_tls_wipe(conn->engine->plain, SW_FRAME_USER_PASS_LEN + SW_AUTH_TOKEN_MAX);
    return r;
}

void sw_auth_start(struct sw_conn *conn)
{
    int r = send_request(conn);

    if (r < 0 && (conn->transport == SW_STREAM || r == SW_ETOOLARGE)) {
        sw_conn_fail(conn, r);
        return;
    }
    conn->auth_interval = REPEAT_FIRST;
    if (conn->transport == SW_DATAGRAM)
        sw_conn_set_timer(conn, SW_TIMER_AUTH, conn->engine->env.now + conn->auth_interval);
    sw_conn_enter_state(conn, SW_STATE_AUTHENTICATING);
}

void sw_auth_repeat(struct sw_conn *conn)
{
    if (conn->state != SW_STATE_AUTHENTICATING) return;
    send_request(conn);
    if (conn->auth_interval < REPEAT_LONGEST) conn->auth_interval *= 2;
    sw_conn_set_timer(conn, SW_TIMER_AUTH, conn->engine->env.now + conn->auth_interval);
}

int sw_auth_success(struct sw_conn *conn, const struct sw_frame_auth_success *success)
{
    if (conn->engine->config.role == SW_SERVER)
        return conn->state == SW_STATE_ONLINE ? 0 : SW_EMODE;
    if (conn->state == SW_STATE_ONLINE) return 0;
    conn->ip_config = (struct sw_ip_config){
        .local_ip = success->local_ip,
        .peer_ip = success->peer_ip,
        .dns_ip = success->dns_ip,
        .mtu = success->mtu,
    };
    /* Over UDP the id is that of the headers; here it has no use but to be shown. */
    if (conn->transport == SW_STREAM) conn->session = success->session;
    sw_conn_enter_state(conn, SW_STATE_ONLINE);
    return 0;
}

static void send_success(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;
    const struct sw_frame frame = {
        .kind = SW_FRAME_AUTH_SUCCESS,
        .auth_success =
            {
                .local_ip = config->client_ip,
                .peer_ip = config->server_ip,
                .dns_ip = config->dns_ip,
                .mtu = config->inside_mtu,
                .session = conn->session,
            },
    };
    sw_conn_send_frame(conn, &frame);
}

/* An inside address, unless it has one. */
static int assign(struct sw_conn *conn)
{
    const struct sw_engine_config *config = &conn->engine->config;
    uint32_t ip = 0;

    if (conn->inside_ip != 0) return 0;
    if (config->callbacks->assign(config->user, conn, &ip) < 0) {
        conn->engine->counters.conn_rejected_no_free_ip++;
        return SW_ENOADDRESS;
    }
    if (!sw_conn_established(conn)) { /* closed by the callback: nobody else will give it back */
        config->callbacks->release(config->user, conn, ip);
        return SW_ECLOSED;
    }
    conn->inside_ip = ip;
    return 0;
}

/* 0, or the fatal error that ends the connection after its AuthFailure. */
static int verdict(struct sw_conn *conn, int answer)
{
    struct sw_engine *engine = conn->engine;
    const struct sw_frame failure = {.kind = SW_FRAME_AUTH_FAILURE};

    conn->auth_pending = false;
    if (answer == 0) {
        answer = assign(conn);
    } else {
        answer = SW_EDENIED; /* whatever else the callback may say */
        engine->counters.conn_rejected_access_denied++;
    }
    if (answer == SW_ECLOSED) return answer;
    if (answer < 0) {
        sw_conn_send_frame(conn, &failure);
        return answer;
    }
    conn->granted = true;
    send_success(conn);
    if (conn->state != SW_STATE_ONLINE) sw_conn_enter_state(conn, SW_STATE_ONLINE);
    return 0;
}

/* What makes two requests the same: method and every byte of the credentials, each with its length.
 * The key keeps a digest from telling anything to somebody who reads it in memory and guesses
 * passwords. */
static void digest(const struct sw_engine *engine, const struct sw_frame_auth_request *request,
                   uint8_t out[SW_DIGEST_LEN])
{
    uint8_t bytes[8 + 2 * SW_AUTH_TEXT_MAX + SW_AUTH_TOKEN_MAX];
    struct sw_writer w = sw_writer(bytes, sizeof bytes);

    sw_writer_u8(&w, (uint8_t)request->method);
    sw_writer_u8(&w, request->version.major);
    sw_writer_u8(&w, request->version.minor);
    sw_writer_be16(&w, (uint16_t)request->user.len);
    sw_writer_bytes(&w, request->user.data, request->user.len);
    sw_writer_be16(&w, (uint16_t)request->password.len);
    sw_writer_bytes(&w, request->password.data, request->password.len);
    sw_writer_bytes(&w, request->token.data, request->token.len);
    sw_tls_keyed_digest(engine->auth_key, bytes, sw_writer_len(&w), out);
    sw_tls_wipe(bytes, sizeof bytes);
}

static int ask(struct sw_conn *conn, const struct sw_frame_auth_request *request)
{
    const struct sw_engine_config *config = &conn->engine->config;
    const struct sw_credentials credentials = {
        .method = (uint8_t)request->method,
        .version = request->version,
        .user = (const char *)request->user.data,
        .user_len = request->user.len,
        .password = (const char *)request->password.data,
        .password_len = request->password.len,
        .token = (const char *)request->token.data,
        .token_len = request->token.len,
    };
    int answer = config->callbacks->authorise(config->user, conn, &credentials);

    if (!sw_conn_established(conn)) return SW_ECLOSED; /* by the callback */
    if (answer == SW_EPENDING) {
        conn->auth_pending = true;
        return 0;
    }
    return verdict(conn, answer);
}

int sw_auth_request(struct sw_conn *conn, const struct sw_frame_auth_request *request)
{
    struct sw_engine *engine = conn->engine;
    struct sw_engine_counters *counters = &engine->counters;
    bool current = conn->auth_epoch == engine->auth_epoch;
    uint8_t asked[SW_DIGEST_LEN];

    if (engine->config.role == SW_CLIENT) return SW_EMODE;
    counters->auth_requests++;
    digest(engine, request, asked);
    if (conn->granted && current && sw_tls_equal(asked, conn->auth_digest, sizeof asked)) {
        counters->auth_repeated++;
        send_success(conn);
        return 0;
    }
    if (conn->auth_pending) { /* a repetition of what is being verified, or too much at once */
        counters->auth_repeated++;
        return 0;
    }
    if (!current) conn->auth_tries = 0;
    if (conn->auth_tries == SW_AUTH_TRIES) {
        counters->auth_limited++;
        return 0;
    }
    conn->auth_tries++;
    conn->auth_epoch = engine->auth_epoch;
    conn->granted = false;
    memcpy(conn->auth_digest, asked, sizeof asked);
    return ask(conn, request);
}

void sw_engine_forget_logins(struct sw_engine *engine)
{
    engine->auth_epoch++;
}

int sw_conn_set_version(struct sw_conn *conn, struct sw_version version)
{
    const struct sw_engine_config *config = &conn->engine->config;

    if (conn->transport != SW_STREAM || config->role != SW_SERVER) return SW_EMODE;
    if (sw_version_compare(version, config->version_min) < 0 ||
        sw_version_compare(version, config->version_max) > 0)
        return SW_EVERSION;
    if (conn->state == SW_STATE_ONLINE && sw_version_compare(version, conn->version) != 0)
        return SW_EVERSION;
    conn->version = version;
    return 0;
}

void sw_conn_authorised(struct sw_conn *conn, int answer, sw_time now)
{
    struct sw_engine *engine = conn->engine;

    sw_engine_enter(engine, now);
    if (conn->auth_pending && sw_conn_established(conn)) {
        int r = verdict(conn, answer == SW_EPENDING ? SW_EDENIED : answer);
        if (r < 0) sw_conn_fail(conn, r);
        sw_conn_rearm(conn);
    }
    sw_engine_leave(engine);
}
