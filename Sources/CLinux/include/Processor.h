#pragma once

// What the processor is asked and told directly.

/// Tells the processor that this is a loop that waits.
static inline void linux_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Has a cache line brought near before it is needed.
static inline void linux_prefetch(const void *address) { __builtin_prefetch(address, 0, 2); }

#if defined(__x86_64__)
/// Whether the processor has AVX2, FMA and F16C, for which kernels are compiled by default.
static inline _Bool linux_has_x86_64_v3(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
#endif
