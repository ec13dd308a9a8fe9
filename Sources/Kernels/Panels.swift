import Threading

/// Weights packed for the register tile: panels of `vectors` × 8 output columns, each panel k-major.
///
/// Panel p holds, for k = 0, 1, …, the weights from input k to its output columns, as `type` says. Columns past the
/// last are zeros. Written only while its owner is being made, read-only from then on: that makes `@unchecked Sendable`
/// true.
@safe struct Panels: ~Copyable, @unchecked Sendable {
    let type: WeightType
    let inputs: Int
    let vectors: Int
    let count: Int
    private let width = TileWidth.chosen
    private let base: UnsafeMutableRawPointer
    /// For int8 one vector per vector of outputs, by which sums are multiplied.
    private let scales: UnsafeMutablePointer<Vector>?

    /// Inputs of most panels whose weights stay in the first-level cache while the rows of a batch pass by.
    static let blockInputs = 384
    /// The same for these panels: 24 KiB of float32 where they are wide.
    private var blockInputs: Int { width == .eight ? Self.blockInputs : 768 / vectors }
    /// Rows whose activations stay in the second-level cache while panels pass by; whole tiles of either height.
    static let blockRows = 192
    /// Bytes that a tile asks for weights ahead: a quarter of a page.
    private static let prefetch = 1024

    init(_ type: WeightType, count: Int, vectors: Int, inputs: Int) {
        precondition(count > 0 && inputs > 0, "panels of \(count) × \(inputs)")
        precondition((2...4).contains(width.registers(vectors)), "panels of \(vectors) vectors")
        (self.type, self.inputs, self.vectors, self.count) = (type, inputs, vectors, count)
        let bytes = count * vectors * 8 * inputs * type.size
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        if type == .int8 {
            unsafe scales = .allocate(capacity: count * vectors)
            unsafe scales!.initialize(repeating: Vector(repeating: 1), count: count * vectors)
        } else {
            unsafe scales = nil
        }
    }

    deinit {
        unsafe base.deallocate()
        unsafe scales?.deallocate()
    }

    private var panelBytes: Int { vectors * 8 * inputs * type.size }
    /// Bytes of all panels.
    var bytes: Int { count * panelBytes }

    /// The weights of panel `index` from input `first` on.
    @inline(__always)
    private func weights(_ index: Int, from first: Int) -> UnsafeMutableRawPointer {
        unsafe base + (index * inputs + first) * vectors * 8 * type.size
    }

    /// Writes the weights of one output, one from each input, into column `lane` of vector `vector` of a panel. Rounds
    /// to the nearest value that the type has.
    func set(panel: Int, vector: Int, lane: Int, to weights: [Float]) {
        precondition(panel < count && vector < vectors && lane < 8 && weights.count == inputs)
        let first = unsafe self.weights(panel, from: 0) + (vector * 8 + lane) * type.size
        let step = vectors * 8 * type.size
        switch type {
        case .f32: for k in 0..<inputs { unsafe (first + k * step).storeBytes(of: weights[k], as: Float.self) }
        case .f16:
            for k in 0..<inputs { unsafe (first + k * step).storeBytes(of: Float16(weights[k]), as: Float16.self) }
        case .int8:
            var largest: Float = 0
            for weight in weights { largest = max(largest, abs(weight)) }
            // Below it the quotients would overflow; such an output is as good as zero.
            let scale = largest < 1e-35 ? 1 : largest / 127
            unsafe scales![panel * vectors + vector][lane] = scale
            for k in 0..<inputs {
                let value = Int8((weights[k] / scale).rounded(.toNearestOrEven))
                unsafe (first + k * step).storeBytes(of: value, as: Int8.self)
            }
        }
    }

    /// Computes all panels for the first `rows` of `x`, dealt out to the members of a team, and hands vectors to
    /// `epilogue` as `multiply` does. Every member calls it and then a barrier.
    @inline(__always)
    func multiply(
        _ x: Matrix, rows: Int, by member: borrowing Team.Member, _ scratch: Scratch,
        _ epilogue: (Int, Range<Int>, UnsafePointer<Vector>, Int) -> Void
    ) {
        let group = panelGroup(count, member.count, rows: rows)
        let groups = (count + group - 1) / group
        member.share(groups * ((rows + Self.blockRows - 1) / Self.blockRows)) { unit in
            let (first, row) = (unit % groups * group, unit / groups * Self.blockRows)
            unsafe multiply(
                x, rows: row..<min(rows, row + Self.blockRows), panels: first..<min(count, first + group), scratch,
                epilogue)
        }
    }

    /// Computes the panels of `range` for `rows` of `x` and hands the vectors of some rows at a time to `epilogue`, for
    /// any panel in ascending order: (panel, rows, the vectors of the first of them, vectors from one row to the next).
    ///
    /// Weights that `areNear` lie in the second-level cache: to ask for them ahead would only cost instructions.
    @inline(__always)
    func multiply(
        _ x: Matrix, rows: Range<Int>, panels range: Range<Int>, areNear: Bool = false, _ scratch: Scratch,
        _ epilogue: (Int, Range<Int>, UnsafePointer<Vector>, Int) -> Void
    ) {
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.blockRows) {
            let block = first..<min(rows.upperBound, first + Self.blockRows)
            unsafe multiply(x, block: block, panels: range, areNear, scratch, epilogue)
        }
    }

    /// As `multiply`, for at most `blockRows` rows: the sums of as many tiles have room in `scratch`.
    @inline(__always)
    private func multiply(
        _ x: Matrix, block rows: Range<Int>, panels range: Range<Int>, _ areNear: Bool, _ scratch: Scratch,
        _ epilogue: (Int, Range<Int>, UnsafePointer<Vector>, Int) -> Void
    ) {
        let height = width.height(vectors)
        let tiles = rows.count / height
        for panel in range where tiles > 0 {
            for first in stride(from: 0, to: inputs, by: blockInputs) {
                let inputs = min(blockInputs, self.inputs - first)
                let isLast = first + inputs == self.inputs
                var (type, weights) = unsafe (self.type, UnsafeRawPointer(weights(panel, from: first)))
                let bytes = inputs * vectors * 8 * type.size
                let comesAnother = !isLast || panel + 1 < range.upperBound
                let next = unsafe UnsafeRawPointer(weights + bytes)
                // Each tile brings a part of the next block near; a few tiles would have no time for that.
                let part = comesAnother && tiles >= 4 ? (bytes / inputs + tiles - 1) / tiles : 0
                if type != .f32 && tiles > 1 {
                    unsafe widen(type, weights, inputs * vectors, into: scratch.weights)
                    unsafe (type, weights) = (.f32, UnsafeRawPointer(scratch.weights))
                }
                for tile in 0..<tiles {
                    let row = rows.lowerBound + tile * height
                    let sums = unsafe scratch.sums + (self.inputs > inputs ? tile * height * vectors : 0)
                    let from = unsafe UnsafePointer(x.base + row * x.stride + first)
                    let prefetch = tile == 0 && tiles < 4 && !areNear ? Self.prefetch : 0
                    unsafe multiplyRows(
                        width, type, vectors, rows: height, panels: 1,
                        TileOperands(
                            x: from, xStride: x.stride, weights: weights, panelBytes: 0, count: inputs, tile: sums,
                            continues: first > 0, prefetch: prefetch,
                            next: part > 0 ? next + tile * part * inputs : weights, nextBytes: part))
                    guard isLast else { continue }
                    unsafe scale(panel, 1, height, sums)
                    unsafe epilogue(panel, row..<row + height, sums, vectors)
                }
            }
        }

        let row = rows.lowerBound + tiles * height
        let rest = rows.upperBound - row
        guard rest > 0 else { return }
        let from = unsafe UnsafePointer(x.base + row * x.stride)
        // Four panels of float32 are streams enough for the processor's own guesses.
        let ahead = areNear || rest == 1 && type == .f32 ? 0 : Self.prefetch
        var panel = range.lowerBound
        while panel < range.upperBound {
            let some = panelsAtOnce(rows: rest, left: range.upperBound - panel)
            let weights = unsafe UnsafeRawPointer(weights(panel, from: 0))
            unsafe multiplyRows(
                width, type, vectors, rows: rest, panels: some,
                TileOperands(
                    x: from, xStride: x.stride, weights: weights, panelBytes: panelBytes, count: inputs,
                    tile: scratch.sums, continues: false, prefetch: ahead, next: weights, nextBytes: 0))
            unsafe scale(panel, some, rest, scratch.sums)
            for index in 0..<some {
                let sums = unsafe scratch.sums + index * vectors
                unsafe epilogue(panel + index, row..<row + rest, sums, some * vectors)
            }
            panel += some
        }
    }

    /// Few rows need several panels at once, or the additions of one chain would wait for each other.
    private func panelsAtOnce(rows: Int, left: Int) -> Int {
        if rows == 1 { return width == .sixteen ? min(left, groupSize) : left >= groupSize ? groupSize : 1 }
        return rows == 2 && left >= 2 && groupSize == 4 ? 2 : 1
    }

    /// Panels that a single row takes at once.
    var groupSize: Int { width.registers(vectors) > 3 ? 3 : 4 }

    /// Multiplies the sums of `rows` × `panels` by the scales of their outputs.
    @inline(__always)
    private func scale(_ panel: Int, _ panels: Int, _ rows: Int, _ sums: UnsafeMutablePointer<Vector>) {
        guard let scales = unsafe scales else { return }
        let width = panels * vectors
        for row in 0..<rows {
            for vector in 0..<width {
                unsafe sums[row * width + vector] *= scales[panel * vectors + vector]
            }
        }
    }
}

/// Panels that a member of a team takes at a time: four, which a single row wants, or fewer where they would not go
/// round often enough. Many rows are dealt in smaller portions, so that the team does not wait long for one that was
/// interrupted.
func panelGroup(_ panels: Int, _ members: Int, rows: Int) -> Int {
    members == 1 ? panels : min(4, max(1, panels / ((rows < 12 ? 2 : 6) * members)))
}

@inline(never)
private func widen(_ type: WeightType, _ from: UnsafeRawPointer, _ count: Int, into: UnsafeMutablePointer<Vector>) {
    switch type {
    case .f32: for index in 0..<count { unsafe into[index] = Float.widen(from + index &* 32) }
    case .f16: for index in 0..<count { unsafe into[index] = Float16.widen(from + index &* 16) }
    case .int8: for index in 0..<count { unsafe into[index] = Int8.widen(from + index &* 8) }
    }
}
