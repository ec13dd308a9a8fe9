#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

// What OpenSSL has as macros, which Swift does not import.

/// TLS 1.2 at least, no renegotiation, buffers given back while a connection is idle, writes as far as they go.
static inline int copenssl_harden(SSL_CTX *_Nonnull context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}

/// Bytes that a BIO of memory holds.
static inline size_t copenssl_pending(BIO *_Nonnull bio) { return BIO_ctrl_pending(bio); }

/// Has an empty BIO of memory mean that more is to come, not that this is the end.
static inline void copenssl_waits_when_empty(BIO *_Nonnull bio) { BIO_set_mem_eof_return(bio, -1); }

static inline int copenssl_reason(unsigned long code) { return ERR_GET_REASON(code); }

/// The reason of a key that is not the certificate's.
static const int copenssl_is_other_key = X509_R_KEY_VALUES_MISMATCH;
static const int copenssl_is_plain_http = SSL_R_HTTP_REQUEST;
