// A power failure for SQLite: what was not synced may be gone.
//
// A kill leaves the kernel's copy of the files; this does not. Every write goes to the real file at once, so reading,
// sizes and locks need no care, and is remembered beside an image of the file as it was last synced. After the failure
// the real files are made of the image and some of the writes that came later. A deletion is taken to be on the disk at
// once. There is no shared memory: WAL needs an exclusive lock.

#include "CPowerCut.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { sector = 512 };

struct change {
    sqlite3_int64 offset;
    // -1: a truncation to `offset`.
    int count;
    unsigned char *bytes;
};

struct image {
    char *path;
    unsigned char *bytes;
    sqlite3_int64 size;
    // Of the real file.
    sqlite3_int64 length;
    struct change *changes;
    int count, room;
    struct image *next;
};

struct system {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    struct image *images;
    int is_off;
    long syncs;
    // Bytes of all files together at most; -1 for no bound.
    sqlite3_int64 room;
};

struct file {
    sqlite3_file base;
    struct system *system;
    struct image *image;
    // The real file lies behind this.
};

static sqlite3_file *real_of(sqlite3_file *file) { return (sqlite3_file *)((struct file *)file + 1); }
static struct system *system_of(sqlite3_vfs *vfs) { return vfs->pAppData; }

static void lock(struct system *system) { pthread_mutex_lock(&system->lock); }
static void unlock(struct system *system) { pthread_mutex_unlock(&system->lock); }

// --- what a disk would have ---

static void resize(struct image *image, sqlite3_int64 size) {
    image->bytes = realloc(image->bytes, size > 0 ? (size_t)size : 1);
    if (size > image->size) { memset(image->bytes + image->size, 0, (size_t)(size - image->size)); }
    image->size = size;
}

static void apply(struct image *image, sqlite3_int64 offset, const unsigned char *bytes, int count) {
    if (offset + count > image->size) { resize(image, offset + count); }
    memcpy(image->bytes + offset, bytes, (size_t)count);
}

static void forget_changes(struct image *image) {
    for (int index = 0; index < image->count; index++) { free(image->changes[index].bytes); }
    image->count = 0;
}

static void apply_all(struct image *image) {
    for (int index = 0; index < image->count; index++) {
        struct change *change = &image->changes[index];
        if (change->count < 0) { resize(image, change->offset); }
        else { apply(image, change->offset, change->bytes, change->count); }
    }
    forget_changes(image);
}

static void remember(struct image *image, sqlite3_int64 offset, const void *bytes, int count) {
    if (image->count == image->room) {
        image->room = 2 * image->room + 16;
        image->changes = realloc(image->changes, (size_t)image->room * sizeof(struct change));
    }
    struct change *change = &image->changes[image->count++];
    *change = (struct change){offset, count, NULL};
    if (count > 0) {
        change->bytes = malloc((size_t)count);
        memcpy(change->bytes, bytes, (size_t)count);
    }
}

// A file that is opened for the first time is on the disk as it is.
static struct image *image_of(struct system *system, const char *path) {
    for (struct image *image = system->images; image; image = image->next) {
        if (strcmp(image->path, path) == 0) { return image; }
    }
    struct image *image = calloc(1, sizeof *image);
    image->path = strdup(path);
    FILE *file = fopen(path, "rb");
    if (file) {
        fseek(file, 0, SEEK_END);
        resize(image, ftell(file));
        rewind(file);
        if (fread(image->bytes, 1, (size_t)image->size, file) != (size_t)image->size) { abort(); }
        fclose(file);
    }
    image->length = image->size;
    image->next = system->images;
    system->images = image;
    return image;
}

// --- files ---

static int file_close(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }

static int file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
}

// Whether the disk has room for a write, which then is as long as that.
static int takes(struct file *own, sqlite3_int64 end) {
    struct image *image = own->image;
    if (!image || end <= image->length) { return 1; }
    if (own->system->room >= 0) {
        sqlite3_int64 used = 0;
        for (struct image *other = own->system->images; other; other = other->next) { used += other->length; }
        if (used - image->length + end > own->system->room) { return 0; }
    }
    image->length = end;
    return 1;
}

static int file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
    struct file *own = (struct file *)file;
    lock(own->system);
    int code = SQLITE_IOERR_WRITE;
    if (!own->system->is_off) {
        code = SQLITE_FULL;
        if (takes(own, offset + count)) { code = real_of(file)->pMethods->xWrite(real_of(file), bytes, count, offset); }
    }
    if (code == SQLITE_OK && own->image) { remember(own->image, offset, bytes, count); }
    unlock(own->system);
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct file *own = (struct file *)file;
    lock(own->system);
    int code = SQLITE_IOERR_TRUNCATE;
    if (!own->system->is_off) { code = real_of(file)->pMethods->xTruncate(real_of(file), size); }
    if (code == SQLITE_OK && own->image) {
        remember(own->image, size, NULL, -1);
        own->image->length = size;
    }
    unlock(own->system);
    return code;
}

static int file_sync(sqlite3_file *file, int flags) {
    (void)flags;
    struct file *own = (struct file *)file;
    lock(own->system);
    int code = own->system->is_off ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    if (code == SQLITE_OK) {
        own->system->syncs += 1;
        if (own->image) { apply_all(own->image); }
    }
    unlock(own->system);
    return code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) {
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}
static int file_lock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xLock(real_of(file), level); }
static int file_unlock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xUnlock(real_of(file), level); }
static int file_reserved(sqlite3_file *file, int *result) {
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), result);
}
static int file_control(sqlite3_file *file, int operation, void *argument) {
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}
static int file_sector(sqlite3_file *file) {
    (void)file;
    return sector;
}
// It promises nothing, so that SQLite takes nothing for granted.
static int file_characteristics(sqlite3_file *file) {
    (void)file;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
};

// --- the system ---

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *outFlags) {
    struct system *system = system_of(vfs);
    struct file *own = (struct file *)file;
    memset(own, 0, sizeof *own);
    lock(system);
    struct image *image = path && !system->is_off ? image_of(system, path) : NULL;
    int code = SQLITE_CANTOPEN;
    if (!system->is_off) { code = system->real->xOpen(system->real, path, real_of(file), flags, outFlags); }
    if (code == SQLITE_OK) {
        own->base.pMethods = &methods;
        own->system = system;
        own->image = image;
    }
    unlock(system);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncFolder) {
    struct system *system = system_of(vfs);
    lock(system);
    int code = SQLITE_IOERR_DELETE;
    if (!system->is_off) {
        code = system->real->xDelete(system->real, path, syncFolder);
        struct image *image = image_of(system, path);
        forget_changes(image);
        resize(image, 0);
        image->length = 0;
    }
    unlock(system);
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result) {
    return system_of(vfs)->real->xAccess(system_of(vfs)->real, path, flags, result);
}
static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int room, char *result) {
    return system_of(vfs)->real->xFullPathname(system_of(vfs)->real, path, room, result);
}
static int vfs_random(sqlite3_vfs *vfs, int count, char *bytes) {
    return system_of(vfs)->real->xRandomness(system_of(vfs)->real, count, bytes);
}
static int vfs_sleep(sqlite3_vfs *vfs, int time) {
    return system_of(vfs)->real->xSleep(system_of(vfs)->real, time);
}
static int vfs_time(sqlite3_vfs *vfs, double *time) {
    return system_of(vfs)->real->xCurrentTime(system_of(vfs)->real, time);
}
static int vfs_error(sqlite3_vfs *vfs, int count, char *text) {
    return system_of(vfs)->real->xGetLastError(system_of(vfs)->real, count, text);
}

static struct system *find(const char *name) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(name);
    if (!vfs) { abort(); }
    return system_of(vfs);
}

int powercut_register(const char *name) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (!real || sqlite3_vfs_find(name)) { return 1; }
    struct system *system = calloc(1, sizeof *system);
    system->real = real;
    system->room = -1;
    pthread_mutex_init(&system->lock, NULL);
    system->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = (int)sizeof(struct file) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = strdup(name),
        .pAppData = system,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_error,
    };
    return sqlite3_vfs_register(&system->vfs, 0);
}

void powercut_cut(const char *name) {
    struct system *system = find(name);
    lock(system);
    system->is_off = 1;
    unlock(system);
}

void powercut_bound(const char *name, long room) {
    struct system *system = find(name);
    lock(system);
    system->room = room;
    unlock(system);
}

long powercut_used(const char *name) {
    struct system *system = find(name);
    lock(system);
    long used = 0;
    for (struct image *image = system->images; image; image = image->next) { used += image->length; }
    unlock(system);
    return used;
}

long powercut_syncs(const char *name) {
    struct system *system = find(name);
    lock(system);
    long syncs = system->syncs;
    unlock(system);
    return syncs;
}

static unsigned draw(unsigned *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

// Some of the changes, or parts of them; returns how many are not there as they were.
static int apply_some(struct image *image, unsigned *state) {
    enum { none, all, beginning, any } what = (int)(draw(state) % 4);
    int first_lost = image->count ? (int)(draw(state) % (unsigned)image->count) : 0;
    int lost = 0;
    for (int index = 0; index < image->count; index++) {
        struct change *change = &image->changes[index];
        int keeps = what == all || (what == beginning && index < first_lost) || (what == any && draw(state) % 2);
        int is_torn = what >= beginning && !keeps && change->count > sector && draw(state) % 2;
        if (!keeps) { lost += 1; }
        if (keeps && change->count < 0) { resize(image, change->offset); }
        if (keeps && change->count >= 0) { apply(image, change->offset, change->bytes, change->count); }
        if (is_torn) {
            int sectors = 1 + (int)(draw(state) % (unsigned)(change->count / sector));
            apply(image, change->offset, change->bytes, sectors * sector < change->count ? sectors * sector : sector);
        }
    }
    forget_changes(image);
    return lost;
}

int powercut_restore(const char *name, unsigned seed) {
    struct system *system = find(name);
    unsigned state = seed * 2654435761u + 1;
    int lost = 0;
    lock(system);
    while (system->images) {
        struct image *image = system->images;
        lost += apply_some(image, &state);
        remove(image->path);
        if (image->size > 0) {
            FILE *file = fopen(image->path, "wb");
            if (!file || fwrite(image->bytes, 1, (size_t)image->size, file) != (size_t)image->size || fclose(file)) {
                unlock(system);
                return -1;
            }
        }
        system->images = image->next;
        free(image->path);
        free(image->bytes);
        free(image->changes);
        free(image);
    }
    system->is_off = 0;
    unlock(system);
    return lost;
}
