#pragma once

// The register tile of Kernels for processors with AVX-512, which the program finds out at its start: Swift compiles a
// module for one level alone, C++ any function for its own.

#include <stdbool.h>

/// How a weight lies in a panel.
enum ctile_weight { ctile_f32, ctile_f16, ctile_int8 };

/// What a tile is computed of, and where it goes: as `TileOperands` in Kernels, where sixteen lanes are one vector.
struct ctile_operands {
    const float *x;
    long x_stride;
    const void *weights;
    long panel_bytes;
    long count;
    /// Row r leaves its `panels` · `vectors` vectors from r · `panels` · `vectors` on; aligned to 64 bytes.
    float *tile;
    bool continues;
    long prefetch;
    const char *next;
    long next_bytes;
};

#ifdef __cplusplus
extern "C" {
#endif

/// Whether the processor has AVX-512 as x86-64-v4 asks for it, and the system keeps its registers.
bool ctile_is_available(void);

/// One tile of `rows` × `panels`, where a panel has `vectors` vectors of sixteen weights for each input: one panel of two,
/// three or four vectors and up to twelve, eight or six rows; one row and up to four panels of two or three vectors, or
/// three of four; two rows and two panels of two or three vectors.
void ctile_multiply(
    enum ctile_weight type, int vectors, int rows, int panels, const struct ctile_operands *operands);

/// Chains of the loop of `ctile_peak`.
static const long ctile_peak_chains = 12;

/// As `MultiplyAddPeak.run`, with vectors of sixteen lanes: `iterations` times `ctile_peak_chains` multiply-adds of them.
float ctile_peak(long iterations);

#ifdef __cplusplus
}
#endif
