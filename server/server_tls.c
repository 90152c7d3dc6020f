/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The server's certificate and key, from their files to a TLS context for each transport that is
 * served; at the start, and again at every reload.
 */

#include <slipway/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/random.h"
#include "host/slurp.h"
#include "server/server_internal.h"

#define PEM_MAX (4u << 20)

static int read_pem(const char *option, const char *path, struct sw_pem *pem, char **text,
                    char *why, size_t why_size)
{
    char reason[256];
    size_t len;
    int error = sw_slurp(path, PEM_MAX, text, &len, reason, sizeof reason);
    if (error < 0) {
        snprintf(why, why_size, "%s: %s: %s", option, path, reason);
        return error;
    }
    *pem = (struct sw_pem){*text, len};
    return 0;
}

static void explain(const struct sw_server_config *config, int error, const char *detail, char *why,
                    size_t why_size)
{
    if (error == SW_ECERT)
        snprintf(why, why_size, "server_cert: %s: holds no usable certificate; expected PEM",
                 config->server_cert);
    else if (error == SW_EINVAL)
        snprintf(
            why, why_size,
            "server_key: %s: holds no private key that belongs to server_cert %s; expected PEM",
            config->server_key, config->server_cert);
    else
        snprintf(why, why_size, "TLS: %s", sw_strerror(error));
    if (detail == NULL) return;
    size_t used = strlen(why);
    snprintf(why + used, why_size - used, " (%s)", detail);
}

static int make_contexts(const struct sw_server_config *config, struct sw_tls_config *tls,
                         struct sw_server_tls *out, char *why, size_t why_size)
{
    int error = 0;
    for (enum sw_transport t = SW_DATAGRAM; t <= SW_STREAM; t++) {
        const char *detail = NULL;
        if (!sw_server_serves(config, t)) continue;
        tls->transport = t;
        out->contexts[t] = sw_tls_context_new(tls, &error, &detail);
        if (out->contexts[t] != NULL) continue;
        explain(config, error, detail, why, why_size);
        sw_server_close_tls(out);
        return error;
    }
    return 0;
}

int sw_server_open_tls(const struct sw_server_config *config, struct sw_server_tls *out, char *why,
                       size_t why_size)
{
    struct sw_tls_config tls = {
        .role = SW_SERVER,
        .pqc = config->enable_pqc,
        .unix_time = time(NULL),
        .random = sw_random_callback,
    };
    char *certificate = NULL, *key = NULL;
    *out = (struct sw_server_tls){0};
    int error =
        read_pem("server_cert", config->server_cert, &tls.certificate, &certificate, why, why_size);
    if (error == 0)
        error = read_pem("server_key", config->server_key, &tls.key, &key, why, why_size);
    if (error == 0) error = make_contexts(config, &tls, out, why, why_size);
    if (key != NULL) explicit_bzero(key, tls.key.len);
    free(key);
    free(certificate);
    return error;
}

void sw_server_close_tls(struct sw_server_tls *tls)
{
    for (enum sw_transport t = SW_DATAGRAM; t <= SW_STREAM; t++)
        sw_tls_context_free(tls->contexts[t]);
    *tls = (struct sw_server_tls){0};
}
