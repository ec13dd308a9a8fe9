#include "CSimdJSON.h"

#include <simdjson.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <new>

struct csimdjson_document {
    simdjson::dom::parser parser;
    std::unique_ptr<uint8_t[]> text;
    size_t capacity = 0;
    simdjson::error_code error = simdjson::SUCCESS;
};

namespace {

/// A pooled document holds about 14 times this much for its text, tape, strings and index.
constexpr size_t largest_pooled_text = 64 * 1024;
constexpr size_t slot_count = 32;

/// Each slot holds a free document or null. A slot is only ever exchanged whole, so no order of threads can hand one
/// document out twice, and nobody waits.
std::atomic<csimdjson_document *> slots[slot_count];

/// Threads begin their search at different slots, and so seldom meet.
size_t first_slot() noexcept {
    static std::atomic<size_t> threads{0};
    thread_local const size_t own = threads.fetch_add(1, std::memory_order_relaxed) * 4;
    return own;
}

bool make_room(csimdjson_document *document, size_t count) noexcept {
    if (document->text && document->capacity >= count) { return true; }
    const size_t capacity = count < 1024 ? 1024 : count;
    document->capacity = 0;
    document->text.reset(new (std::nothrow) uint8_t[capacity + simdjson::SIMDJSON_PADDING]);
    if (!document->text) { return false; }
    document->capacity = capacity;
    return true;
}

int32_t code(simdjson::error_code error) noexcept {
    switch (error) {
    case simdjson::SUCCESS: return CSIMDJSON_OK;
    case simdjson::EMPTY: return CSIMDJSON_EMPTY;
    case simdjson::DEPTH_ERROR: return CSIMDJSON_TOO_DEEP;
    case simdjson::CAPACITY: return CSIMDJSON_TOO_LARGE;
    case simdjson::MEMALLOC: return CSIMDJSON_NO_MEMORY;
    default: return CSIMDJSON_INVALID;
    }
}

} // namespace

csimdjson_document *csimdjson_take(void) noexcept {
    const size_t first = first_slot();
    for (size_t i = 0; i < slot_count; i++) {
        std::atomic<csimdjson_document *> &slot = slots[(first + i) % slot_count];
        if (slot.load(std::memory_order_relaxed) == nullptr) { continue; }
        if (csimdjson_document *found = slot.exchange(nullptr, std::memory_order_acquire)) { return found; }
    }
    return new (std::nothrow) csimdjson_document;
}

void csimdjson_give_back(csimdjson_document *document) noexcept {
    if (document->capacity <= largest_pooled_text) {
        const size_t first = first_slot();
        for (size_t i = 0; i < slot_count; i++) {
            std::atomic<csimdjson_document *> &slot = slots[(first + i) % slot_count];
            csimdjson_document *expected = nullptr;
            if (slot.compare_exchange_strong(expected, document, std::memory_order_release,
                                             std::memory_order_relaxed)) {
                return;
            }
        }
    }
    delete document;
}

int32_t csimdjson_parse(csimdjson_document *document, const uint8_t *bytes, size_t count,
                        size_t max_depth) noexcept {
    if (count == 0) { return CSIMDJSON_EMPTY; }
    if (count > simdjson::SIMDJSON_MAXSIZE_BYTES) { return CSIMDJSON_TOO_LARGE; }
    if (!make_room(document, count)) { return CSIMDJSON_NO_MEMORY; }
    std::memcpy(document->text.get(), bytes, count);
    std::memset(document->text.get() + count, ' ', simdjson::SIMDJSON_PADDING);

    // simdjson counts the root as a level of its own.
    const size_t levels = max_depth + 1;
    if (document->parser.max_depth() != levels || document->parser.capacity() < document->capacity) {
        document->error = document->parser.allocate(document->capacity, levels);
        if (document->error) { return code(document->error); }
    }
    if (document->parser.doc.capacity() < document->capacity) {
        document->error = document->parser.doc.allocate(document->capacity);
        if (document->error) { return code(document->error); }
    }
    document->error = document->parser.parse(document->text.get(), count, false).error();
    return code(document->error);
}

const char *csimdjson_message(const csimdjson_document *document) noexcept {
    switch (document->error) {
    case simdjson::STRING_ERROR: return "A string holds a bad escape sequence";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR: return "A word is none of true, false and null";
    case simdjson::NUMBER_ERROR: return "A number is malformed or out of range";
    case simdjson::UTF8_ERROR: return "The text is not valid UTF-8";
    case simdjson::UNESCAPED_CHARS: return "A string holds a control character that is not escaped";
    case simdjson::UNCLOSED_STRING: return "A string is not closed";
    default: return "A comma, colon, bracket, key or value is missing or out of place";
    }
}

const uint64_t *csimdjson_tape(const csimdjson_document *document) noexcept { return document->parser.doc.tape.get(); }

const uint8_t *csimdjson_strings(const csimdjson_document *document) noexcept {
    return document->parser.doc.string_buf.get();
}
