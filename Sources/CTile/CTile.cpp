#include "CTile.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c,fma")))

namespace {

/// Sixteen consecutive weights as float32; exact.
template <ctile_weight type> AVX512 inline __attribute__((always_inline)) __m512 widen(const char *from) {
    if constexpr (type == ctile_f32) return _mm512_loadu_ps(from);
    if constexpr (type == ctile_f16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from)));
}

constexpr long size(ctile_weight type) { return type == ctile_f32 ? 4 : type == ctile_f16 ? 2 : 1; }

/// Each element is one chain of fused multiply-adds over the inputs, in order: the bytes of `multiplyTile` in Kernels.
template <ctile_weight type, int vectors, int rows, int panels>
AVX512 __attribute__((noinline)) void tile(const ctile_operands &operands) {
    constexpr long vector_bytes = 16 * size(type), input_bytes = vectors * vector_bytes;
    const float *x = operands.x;
    const char *weights = (const char *)operands.weights;
    const long x_stride = operands.x_stride, panel_bytes = operands.panel_bytes, count = operands.count;
    const long prefetch = operands.prefetch, next_bytes = operands.next_bytes;
    const char *next = operands.next;

    constexpr int all = rows * panels * vectors;
    __m512 sums[all];
#pragma clang loop unroll(full)
    for (int at = 0; at < all; at++) {
        sums[at] = operands.continues ? _mm512_load_ps(operands.tile + at * 16) : _mm512_setzero_ps();
    }
    for (long k = 0; k < count; k++) {
        if (prefetch == 0) __builtin_prefetch(next + k * next_bytes, 0, 2);
#pragma clang loop unroll(full)
        for (int panel = 0; panel < panels; panel++) {
            const char *from = weights + panel * panel_bytes;
            if (prefetch > 0) {
#pragma clang loop unroll(full)
                for (long line = 0; line < input_bytes; line += 64) __builtin_prefetch(from + prefetch + line, 0, 2);
            }
            __m512 w[vectors];
#pragma clang loop unroll(full)
            for (int vector = 0; vector < vectors; vector++) w[vector] = widen<type>(from + vector * vector_bytes);
#pragma clang loop unroll(full)
            for (int row = 0; row < rows; row++) {
                __m512 value = _mm512_set1_ps(x[row * x_stride]);
#pragma clang loop unroll(full)
                for (int vector = 0; vector < vectors; vector++) {
                    __m512 &sum = sums[(row * panels + panel) * vectors + vector];
                    sum = _mm512_fmadd_ps(value, w[vector], sum);
                }
            }
        }
        x += 1;
        weights += input_bytes;
    }
#pragma clang loop unroll(full)
    for (int at = 0; at < all; at++) _mm512_store_ps(operands.tile + at * 16, sums[at]);
}

/// The tile of so many rows of one panel: 24 accumulators of 32 registers at most.
template <ctile_weight type, int vectors, int rows = 24 / vectors>
void one_panel(int count, const ctile_operands &operands) {
    if constexpr (rows > 1) {
        if (count < rows) return one_panel<type, vectors, rows - 1>(count, operands);
    }
    tile<type, vectors, rows, 1>(operands);
}

template <ctile_weight type, int vectors> void multiply(int rows, int panels, const ctile_operands &operands) {
    if (panels == 1) return one_panel<type, vectors>(rows, operands);
    if (rows == 1 && panels == 2) return tile<type, vectors, 1, 2>(operands);
    if (rows == 1 && panels == 3) return tile<type, vectors, 1, 3>(operands);
    if constexpr (vectors < 4) return rows == 1 ? tile<type, vectors, 1, 4>(operands) : tile<type, vectors, 2, 2>(operands);
    __builtin_trap();
}

template <ctile_weight type> void multiply(int vectors, int rows, int panels, const ctile_operands &operands) {
    switch (vectors) {
    case 2: return multiply<type, 2>(rows, panels, operands);
    case 3: return multiply<type, 3>(rows, panels, operands);
    default: return multiply<type, 4>(rows, panels, operands);
    }
}

}

bool ctile_is_available(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("f16c");
}

void ctile_multiply(ctile_weight type, int vectors, int rows, int panels, const ctile_operands *operands) {
    switch (type) {
    case ctile_f32: return multiply<ctile_f32>(vectors, rows, panels, *operands);
    case ctile_f16: return multiply<ctile_f16>(vectors, rows, panels, *operands);
    case ctile_int8: return multiply<ctile_int8>(vectors, rows, panels, *operands);
    }
}

AVX512 float ctile_peak(long iterations) {
    __m512 factor = _mm512_set1_ps(0.5), term = _mm512_set1_ps(1), sums[ctile_peak_chains];
    for (int chain = 0; chain < ctile_peak_chains; chain++) sums[chain] = _mm512_set1_ps((float)chain);
    for (long iteration = 0; iteration < iterations; iteration++) {
#pragma clang loop unroll(full)
        for (int chain = 0; chain < ctile_peak_chains; chain++) {
            sums[chain] = _mm512_fmadd_ps(sums[chain], factor, term);
        }
    }
    __m512 sum = _mm512_setzero_ps();
    for (int chain = 0; chain < ctile_peak_chains; chain++) sum = _mm512_add_ps(sum, sums[chain]);
    return _mm512_reduce_add_ps(sum);
}

#else

bool ctile_is_available(void) { return false; }

void ctile_multiply(ctile_weight, int, int, int, const ctile_operands *) { __builtin_trap(); }

float ctile_peak(long) { __builtin_trap(); }

#endif
