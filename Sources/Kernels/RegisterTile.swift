// The only multiplications of activations by weights in the program.
//
// Each element of a tile is one chain of fused multiply-adds over k, in order, from zero. Whether a row is computed in a
// tile of six or alone, its chain is the same: this is what makes prefill and single steps agree to the byte.

/// Six rows × two vectors of a panel. `x`: six rows `xStride` apart, `w`: k × 2 vectors, `tile`: 6 × 2 vectors out.
@inline(__always)
func tile6x2(_ x: UnsafePointer<Float>, _ xStride: Int, _ w: UnsafePointer<Vector>, _ k: Int, _ tile: Tile) {
    let (x0, x1, x2) = unsafe (x, x + xStride, x + 2 * xStride)
    let (x3, x4, x5) = unsafe (x + 3 * xStride, x + 4 * xStride, x + 5 * xStride)
    var (a0, b0, a1, b1, a2, b2) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    var (a3, b3, a4, b4, a5, b5) = (Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero, Vector.zero)
    for i in 0..<k {
        let (u, v) = unsafe (w[2 &* i], w[2 &* i &+ 1])
        var x = Vector(repeating: unsafe x0[i])
        a0 = a0.addingProduct(x, u)
        b0 = b0.addingProduct(x, v)
        x = Vector(repeating: unsafe x1[i])
        a1 = a1.addingProduct(x, u)
        b1 = b1.addingProduct(x, v)
        x = Vector(repeating: unsafe x2[i])
        a2 = a2.addingProduct(x, u)
        b2 = b2.addingProduct(x, v)
        x = Vector(repeating: unsafe x3[i])
        a3 = a3.addingProduct(x, u)
        b3 = b3.addingProduct(x, v)
        x = Vector(repeating: unsafe x4[i])
        a4 = a4.addingProduct(x, u)
        b4 = b4.addingProduct(x, v)
        x = Vector(repeating: unsafe x5[i])
        a5 = a5.addingProduct(x, u)
        b5 = b5.addingProduct(x, v)
    }
    unsafe (tile[0], tile[1], tile[2], tile[3], tile[4], tile[5]) = (a0, b0, a1, b1, a2, b2)
    unsafe (tile[6], tile[7], tile[8], tile[9], tile[10], tile[11]) = (a3, b3, a4, b4, a5, b5)
}

/// One row × two vectors.
@inline(__always)
func tile1x2(_ x: UnsafePointer<Float>, _ w: UnsafePointer<Vector>, _ k: Int, _ tile: Tile) {
    var (a, b) = (Vector.zero, Vector.zero)
    for i in 0..<k {
        let x = Vector(repeating: unsafe x[i])
        a = a.addingProduct(x, unsafe w[2 &* i])
        b = b.addingProduct(x, unsafe w[2 &* i &+ 1])
    }
    unsafe (tile[0], tile[1]) = (a, b)
}

/// Three rows × three vectors: nine accumulators, three weights, one activation.
@inline(__always)
func tile3x3(_ x: UnsafePointer<Float>, _ xStride: Int, _ w: UnsafePointer<Vector>, _ k: Int, _ tile: Tile) {
    let (x0, x1, x2) = unsafe (x, x + xStride, x + 2 * xStride)
    var (a0, b0, c0) = (Vector.zero, Vector.zero, Vector.zero)
    var (a1, b1, c1) = (Vector.zero, Vector.zero, Vector.zero)
    var (a2, b2, c2) = (Vector.zero, Vector.zero, Vector.zero)
    for i in 0..<k {
        let (t, u, v) = unsafe (w[3 &* i], w[3 &* i &+ 1], w[3 &* i &+ 2])
        var x = Vector(repeating: unsafe x0[i])
        a0 = a0.addingProduct(x, t)
        b0 = b0.addingProduct(x, u)
        c0 = c0.addingProduct(x, v)
        x = Vector(repeating: unsafe x1[i])
        a1 = a1.addingProduct(x, t)
        b1 = b1.addingProduct(x, u)
        c1 = c1.addingProduct(x, v)
        x = Vector(repeating: unsafe x2[i])
        a2 = a2.addingProduct(x, t)
        b2 = b2.addingProduct(x, u)
        c2 = c2.addingProduct(x, v)
    }
    unsafe (tile[0], tile[1], tile[2]) = (a0, b0, c0)
    unsafe (tile[3], tile[4], tile[5]) = (a1, b1, c1)
    unsafe (tile[6], tile[7], tile[8]) = (a2, b2, c2)
}

/// One row × three vectors.
@inline(__always)
func tile1x3(_ x: UnsafePointer<Float>, _ w: UnsafePointer<Vector>, _ k: Int, _ tile: Tile) {
    var (a, b, c) = (Vector.zero, Vector.zero, Vector.zero)
    for i in 0..<k {
        let x = Vector(repeating: unsafe x[i])
        a = a.addingProduct(x, unsafe w[3 &* i])
        b = b.addingProduct(x, unsafe w[3 &* i &+ 1])
        c = c.addingProduct(x, unsafe w[3 &* i &+ 2])
    }
    unsafe (tile[0], tile[1], tile[2]) = (a, b, c)
}

/// Where a tile leaves its vectors, row after row, for the epilogue to read.
typealias Tile = UnsafeMutablePointer<Vector>
