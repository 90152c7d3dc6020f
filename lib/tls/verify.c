/* SPDX-License-Identifier: GPL-3.0-or-later */

/*
 * The names that wolfSSL refuses to check, it leaves to a verify callback, which it asks about
 * every certificate it did not accept, and, built with WOLFSSL_ALWAYS_VERIFY_CB (tools/deps), about
 * the server's own when it has accepted the whole chain. The callback can only add a reason to
 * refuse: what the library did not accept stays so. Should it never be asked, the session's verdict
 * stays SW_NAME_UNSEEN, and session.c refuses the server.
 */

#include "lib/tls/verify.h"

#include <stdlib.h>

#include "lib/tls/host_name.h"

static enum sw_host_name_kind kind_of(const DNS_entry *entry)
{
    switch (entry->type) {
    case ASN_DNS_TYPE:
        return SW_HOST_NAME_DNS;
    case ASN_IP_TYPE:
        return SW_HOST_NAME_ADDRESS;
    case ASN_URI_TYPE:
        return SW_HOST_NAME_URI;
    default:
        return SW_HOST_NAME_OTHER;
    }
}

static struct sw_span span_of(const char *text, int len)
{
    if (text == NULL || len <= 0) return (struct sw_span){NULL, 0};
    return (struct sw_span){(const uint8_t *)text, (size_t)len};
}

static bool carries(const DecodedCert *certificate, const char *name)
{
    struct sw_host_name question;

    sw_host_name_ask(&question, name);
    for (const DNS_entry *entry = certificate->altNames; entry != NULL; entry = entry->next)
        sw_host_name_alternative(&question, kind_of(entry), span_of(entry->name, entry->len));
    return sw_host_name_carried(&question,
                                span_of(certificate->subjectCN, certificate->subjectCNLen));
}

/* Does the certificate of this DER form carry the name? Unseen: it could not be read. */
static enum sw_name_verdict judge(const WOLFSSL_BUFFER_INFO *der, const char *name)
{
    enum sw_name_verdict verdict = SW_NAME_UNSEEN;
    DecodedCert *certificate = malloc(sizeof *certificate);

    if (certificate == NULL) return verdict;
    wc_InitDecodedCert(certificate, der->buffer, der->length, NULL);
    if (wc_ParseCert(certificate, CERT_TYPE, NO_VERIFY, NULL) == 0)
        verdict = carries(certificate, name) ? SW_NAME_CARRIED : SW_NAME_MISSING;
    wc_FreeDecodedCert(certificate);
    free(certificate);
    return verdict;
}

/* accepted: by the library. 0 refuses the certificate, 1 would accept it whatever the library
 * found. */
static int verify(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
    struct sw_tls *tls = store->userCtx;

    if (accepted != 1 || store->error != 0) return 0;
    if (store->error_depth != 0) return 1; /* an intermediate one */
    if (store->certs == NULL || store->totalCerts < 1) return 0;
    tls->name_verdict = judge(&store->certs[0], tls->context->server_name);
    return tls->name_verdict == SW_NAME_CARRIED;
}

void sw_tls_compare_name(struct sw_tls *tls)
{
    wolfSSL_SetCertCbCtx(tls->wolf, tls);
    wolfSSL_set_verify(tls->wolf, WOLFSSL_VERIFY_PEER, verify);
}
