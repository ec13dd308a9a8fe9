#pragma once

#include <sqlite3.h>

// The destructors that tell SQLite to copy a value are casts of numbers, which Swift does not import.

static inline int csqlite_bind_text(sqlite3_stmt *_Nonnull statement, int index, const char *_Nonnull text, int count) {
    return sqlite3_bind_text(statement, index, text, count, SQLITE_TRANSIENT);
}

// Swift has no name for a function of C that keeps a pointer of its own.

static inline int csqlite_note_log(void *_Nonnull pages, sqlite3 *_Nonnull database, const char *_Nonnull name, int count) {
    (void)database, (void)name;
    *(int *)pages = count;
    return SQLITE_OK;
}

/// Has `pages` be the number of pages that the write-ahead log has after each commit. SQLite then copies nothing of the log
/// by itself.
static inline void csqlite_count_log(sqlite3 *_Nonnull database, int *_Nonnull pages) {
    sqlite3_wal_hook(database, csqlite_note_log, pages);
}

/// Of the values bound this way SQLite keeps no copy: they must stay until the statement is reset.
static inline int csqlite_bind_bytes(
    sqlite3_stmt *_Nonnull statement, int index, const void *_Nullable bytes, sqlite3_uint64 count) {
    if (count == 0) { return sqlite3_bind_zeroblob(statement, index, 0); }
    return sqlite3_bind_blob64(statement, index, bytes, count, SQLITE_STATIC);
}
