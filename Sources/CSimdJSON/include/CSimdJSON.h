#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CSIMDJSON_NOEXCEPT noexcept
extern "C" {
#else
#define CSIMDJSON_NOEXCEPT
#endif

/// A simdjson DOM parser with the text, tape and strings of what it parsed last.
///
/// The format of the tape is simdjson's, described in its `doc/tape.md`. One thread at a time may parse; after that
/// any number may read tape and strings until the document is given back.
typedef struct csimdjson_document csimdjson_document;

enum {
    CSIMDJSON_OK = 0,
    CSIMDJSON_EMPTY,
    CSIMDJSON_TOO_DEEP,
    CSIMDJSON_TOO_LARGE,
    CSIMDJSON_NO_MEMORY,
    CSIMDJSON_INVALID,
};

/// A document of one's own, from a small pool when it has one; null when memory is short.
csimdjson_document *_Nullable csimdjson_take(void) CSIMDJSON_NOEXCEPT;

/// Ends the use of a document: the pool keeps it if it is small and there is room, otherwise it is freed.
void csimdjson_give_back(csimdjson_document *_Nonnull document) CSIMDJSON_NOEXCEPT;

/// Copies and parses a whole JSON text; containers may nest to `max_depth`. Returns one of the codes above.
int32_t csimdjson_parse(csimdjson_document *_Nonnull document, const uint8_t *_Nullable bytes, size_t count,
                        size_t max_depth) CSIMDJSON_NOEXCEPT;

/// One plain sentence without its final stop on why the last parse returned `CSIMDJSON_INVALID`; a static string.
const char *_Nonnull csimdjson_message(const csimdjson_document *_Nonnull document) CSIMDJSON_NOEXCEPT;

/// The tape of the last successful parse; its first word is the root's, the value begins at the second.
const uint64_t *_Nonnull csimdjson_tape(const csimdjson_document *_Nonnull document) CSIMDJSON_NOEXCEPT;

/// The strings of the last successful parse, each a 32-bit length and then its UTF-8 bytes.
const uint8_t *_Nonnull csimdjson_strings(const csimdjson_document *_Nonnull document) CSIMDJSON_NOEXCEPT;

#ifdef __cplusplus
}
#endif
