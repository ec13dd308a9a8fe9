import CLinux

/// The only multiplication of activations by weights in the program: `rows` × (`panels` · `vectors`) vectors in
/// registers.
///
/// Each element is one chain of fused multiply-adds over the inputs, in order, from zero; a chain may pause in memory
/// between two blocks of inputs and is never split. Whether a row is computed among six or alone, its chain is the
/// same: this is what makes prefill and single steps agree to the byte.
@inline(__always)
func multiplyTile<W: PackedWeight, let rows: Int, let panels: Int, let vectors: Int>(
    _ shape: TileShape<W, rows, panels, vectors>.Type, _ operands: TileOperands
) {
    let (x, xStride, tile) = unsafe (operands.x, operands.xStride, operands.tile)
    let (weights, panelBytes) = unsafe (operands.weights, operands.panelBytes)
    let (count, prefetch) = unsafe (operands.count, operands.prefetch)
    let (next, nextBytes) = unsafe (operands.next, operands.nextBytes)
    var sums = InlineArray<rows, InlineArray<panels, InlineArray<vectors, Vector>>>(
        repeating: .init(repeating: .init(repeating: .zero)))
    if unsafe operands.continues {
        for row in 0..<rows {
            for panel in 0..<panels {
                for vector in 0..<vectors {
                    sums[row][panel][vector] = unsafe tile[(row &* panels &+ panel) &* vectors &+ vector]
                }
            }
        }
    }
    let inputBytes = vectors &* MemoryLayout<W>.size &* 8
    // Where another thread shares the core, each has three instructions a cycle, of which two should be multiply-adds: a
    // loop's own would bind. Tiles of fewer chains keep it, or in the order that the compiler gives four inputs the
    // additions of a chain would wait for each other.
    // So do tiles of three rows, whose values the compiler would load so early that sums leave the registers.
    let unrolled = rows &* panels &* vectors < 12 || rows == 3 ? 0 : count & ~3
    var k = 0
    if prefetch > 0 {
        while k < unrolled {
            let (x, at) = unsafe (x + k, weights + k &* inputBytes)
            unsafe multiplyAdd(shape, x, xStride, at, panelBytes, prefetch, &sums)
            unsafe multiplyAdd(shape, x + 1, xStride, at + inputBytes, panelBytes, prefetch, &sums)
            unsafe multiplyAdd(shape, x + 2, xStride, at + 2 &* inputBytes, panelBytes, prefetch, &sums)
            unsafe multiplyAdd(shape, x + 3, xStride, at + 3 &* inputBytes, panelBytes, prefetch, &sums)
            k &+= 4
        }
        while k < count {
            unsafe multiplyAdd(shape, x + k, xStride, weights + k &* inputBytes, panelBytes, prefetch, &sums)
            k &+= 1
        }
    } else {
        while k < unrolled {
            let (x, at) = unsafe (x + k, weights + k &* inputBytes)
            unsafe linux_prefetch(next + k &* nextBytes)
            unsafe multiplyAdd(shape, x, xStride, at, panelBytes, 0, &sums)
            unsafe multiplyAdd(shape, x + 1, xStride, at + inputBytes, panelBytes, 0, &sums)
            unsafe multiplyAdd(shape, x + 2, xStride, at + 2 &* inputBytes, panelBytes, 0, &sums)
            unsafe multiplyAdd(shape, x + 3, xStride, at + 3 &* inputBytes, panelBytes, 0, &sums)
            k &+= 4
        }
        while k < count {
            unsafe multiplyAdd(shape, x + k, xStride, weights + k &* inputBytes, panelBytes, 0, &sums)
            k &+= 1
        }
    }
    for row in 0..<rows {
        for panel in 0..<panels {
            for vector in 0..<vectors {
                unsafe tile[(row &* panels &+ panel) &* vectors &+ vector] = sums[row][panel][vector]
            }
        }
    }
}

/// One input more for every chain of a tile.
@inline(__always)
private func multiplyAdd<W: PackedWeight, let rows: Int, let panels: Int, let vectors: Int>(
    _ shape: TileShape<W, rows, panels, vectors>.Type, _ x: UnsafePointer<Float>, _ xStride: Int,
    _ weights: UnsafeRawPointer, _ panelBytes: Int, _ prefetch: Int,
    _ sums: inout InlineArray<rows, InlineArray<panels, InlineArray<vectors, Vector>>>
) {
    for panel in 0..<panels {
        if prefetch > 0 { unsafe linux_prefetch(weights + (panel &* panelBytes &+ prefetch)) }
        if rows > 1 && rows < vectors {
            // Three rows of four vectors leave four registers: all values of x and one vector of weights at a time.
            var values = InlineArray<rows, Vector>(repeating: .zero)
            for row in 0..<rows { values[row] = Vector(repeating: unsafe x[row &* xStride]) }
            for vector in 0..<vectors {
                let w = unsafe W.widen(weights + (panel &* panelBytes &+ vector &* MemoryLayout<W>.size &* 8))
                for row in 0..<rows {
                    sums[row][panel][vector] = sums[row][panel][vector].addingProduct(values[row], w)
                }
            }
            continue
        }
        var w = InlineArray<vectors, Vector>(repeating: .zero)
        for vector in 0..<vectors {
            w[vector] = unsafe W.widen(weights + (panel &* panelBytes &+ vector &* MemoryLayout<W>.size &* 8))
        }
        for row in 0..<rows {
            let value = Vector(repeating: unsafe x[row &* xStride])
            for vector in 0..<vectors {
                sums[row][panel][vector] = sums[row][panel][vector].addingProduct(value, w[vector])
            }
        }
    }
}

/// What a tile is computed of, and where it goes.
@unsafe struct TileOperands {
    /// The first row at the first input of the block; the others are `xStride` values apart.
    let x: UnsafePointer<Float>
    let xStride: Int
    /// The first panel at the same input, with so many vectors of weights for each input; the others are `panelBytes`
    /// apart.
    let weights: UnsafeRawPointer
    let panelBytes: Int
    /// Inputs of the block.
    let count: Int
    /// Where row r leaves its vectors: `panels` · `vectors` of them, from `tile + r · panels · vectors` on.
    let tile: UnsafeMutablePointer<Vector>
    /// Whether the chains go on from what lies in `tile`.
    let continues: Bool
    /// Bytes that weights are asked for ahead of their use, where they come from memory and the processor's own
    /// guesses, which end with each page, are not enough; 0 where they are near.
    let prefetch: Int
    /// Where no weights are asked for ahead: what the tiles after this one will want. The tile brings so many bytes for
    /// each of its inputs near, a line at a time, between its multiply-adds: a burst would occupy all the ways from the
    /// second-level cache, by which x comes.
    let next: UnsafeRawPointer
    let nextBytes: Int
}

/// Names the sizes of a tile at compile time.
enum TileShape<W: PackedWeight, let rows: Int, let panels: Int, let vectors: Int> {}
