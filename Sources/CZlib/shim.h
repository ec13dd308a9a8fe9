#pragma once

#include <zlib.h>

// zlib's initialisers are macros that pass the size of the stream, which Swift does not import.

/// 31: a window of 32 KiB, with gzip's header and trailer (RFC 1952).
static inline int czlib_deflate_gzip(z_stream *_Nonnull stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
}

static inline int czlib_inflate_gzip(z_stream *_Nonnull stream) { return inflateInit2(stream, 31); }
