#pragma once

/// Registers a system for SQLite under `name` that passes everything on to the real one and remembers what has not been
/// synced. 0 on success. Once per name.
int powercut_register(const char *_Nonnull name);

/// The power fails: from here on every write, sync, truncation, deletion and opening fails. Reads go on.
void powercut_cut(const char *_Nonnull name);

/// The power is back, when all connections are closed: the files hold what had been synced and, as `seed` has it, none,
/// all, a beginning or any part of what had not, cut at sectors of 512 bytes. Returns how many writes were lost wholly
/// or in part, or −1 when a file could not be written.
int powercut_restore(const char *_Nonnull name, unsigned seed);

/// Bounds what all files may have together: a write that would make them longer fails for want of room. −1 for no bound.
void powercut_bound(const char *_Nonnull name, long bytes);

/// Bytes that all files have together.
long powercut_used(const char *_Nonnull name);

/// Syncs that have succeeded.
long powercut_syncs(const char *_Nonnull name);
