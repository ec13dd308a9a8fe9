#pragma once

// There where the thread sanitizer is linked in, and null elsewhere.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

static inline void linux_tsan_acquire(void *object) {
    if (__tsan_acquire) __tsan_acquire(object);
}

static inline void linux_tsan_release(void *object) {
    if (__tsan_release) __tsan_release(object);
}
