import Threading

/// i' and h̃ of a minLSTM. Parts: candidate, forget, input.
private enum MinLSTMGates<C: CandidateFunction>: GatedCell {
    static var parts: Int { 3 }

    @inline(__always)
    static func gates(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Gates {
        // h ← f'·h + i'·h̃ with i' = i / (f + i) and f' = 1 − i' (arXiv 2410.01201, section 3.2).
        unsafe Gates(
            take: inputGate(forget: sums[1] + bias[1], input: sums[2] + bias[2]),
            candidate: C.apply(sums[0] + bias[0]))
    }
}

/// f, i and h̃ of a minLSTM whose gates were not normalised in training, so that they need not sum to one.
private enum UnnormalisedMinLSTMGates<C: CandidateFunction>: GatedCell {
    static var parts: Int { 3 }

    @inline(__always)
    static func gates(_ sums: UnsafePointer<Vector>, _ bias: UnsafePointer<Vector>) -> Gates {
        // h ← σ(W_f x + b_f)·h + σ(W_i x + b_i)·h̃ (arXiv 2410.01201, section 3.2.1).
        unsafe Gates(
            take: sigmoid(sums[2] + bias[2]), candidate: C.apply(sums[0] + bias[0]), keep: sigmoid(sums[1] + bias[1]))
    }
}

/// A layer of minLSTM (arXiv 2410.01201, section 3.2). State: the hidden state.
public final class MinLSTM: GatedKernel {
    /// Linear maps of the input: candidate, forget, input.
    public static let parts = 3

    let scan: FusedScan
    private let candidate: Candidate
    private let isNormalised: Bool

    /// Packs the parts. `row` fills its last argument (`inputs` values) with the weights of (part, channel).
    /// - Parameter isNormalised: whether forget and input gate are divided by their sum.
    public init<E: Error>(
        _ type: WeightType = .f32, candidate: Candidate, isNormalised: Bool, channels: Int, inputs: Int,
        bias: [[Float]?], row: (_ part: Int, _ channel: Int, inout [Float]) throws(E) -> Void
    ) throws(E) {
        (self.candidate, self.isNormalised) = (candidate, isNormalised)
        scan = try FusedScan(type, parts: Self.parts, channels: channels, inputs: inputs, bias: bias, row: row)
    }

    public func apply(
        _ x: Matrix, _ batch: Batch, states: Matrix, at offset: Int, into y: Matrix, work: [Matrix],
        by member: borrowing Team.Member, _ scratch: Scratch
    ) {
        let place = Place(states: states, offset: offset, hidden: y)
        switch (isNormalised, candidate) {
        case (true, .logSpace): scan.apply(MinLSTMGates<LogSpace>.self, x, batch, place, work, member, scratch)
        case (true, .vanilla): scan.apply(MinLSTMGates<Vanilla>.self, x, batch, place, work, member, scratch)
        case (false, .logSpace):
            scan.apply(UnnormalisedMinLSTMGates<LogSpace>.self, x, batch, place, work, member, scratch)
        case (false, .vanilla):
            scan.apply(UnnormalisedMinLSTMGates<Vanilla>.self, x, batch, place, work, member, scratch)
        }
    }
}

/// i' of a minLSTM, its gates normalised: i / (f + i) of the sigmoids f and i of `forget` and `input` (arXiv
/// 2410.01201, section 3.2). f' is 1 − i', so a step is h + i'·(h̃ − h).
///
/// The quotient is (1 + e^−f) / ((1 + e^−f) + (1 + e^−i)): 0/0 as written where both gates are below −89, so the
/// largest of 1 and of the powers of two in both exponentials is taken out of all three; their fractions go into the
/// one quotient. Gates beyond ±2e6 count as ±2e6, NaN makes NaN.
@inline(__always)
private func inputGate(forget: Vector, input: Vector) -> Vector {
    let f = ExponentialParts(sign: -1, forget.clamped(-2e6, 2e6), bias: 0)
    let i = ExponentialParts(sign: -1, input.clamped(-2e6, 2e6), bias: 0)
    let unit = Vector(repeating: 12_582_912)
    let larger = f.shifted.replacing(with: i.shifted, where: i.shifted .> f.shifted)
    let largest = larger.replacing(with: unit, where: larger .< unit)
    let one = power(unit, below: largest)
    let (fDivisor, iDivisor) = (f.even + f.r, i.even + i.r)
    // 1 + e^−f and 1 + e^−i times their divisors, then each times the other's.
    let take = (fDivisor * one).addingProduct(power(f.shifted, below: largest), f.even - f.r) * iDivisor
    let keep = (iDivisor * one).addingProduct(power(i.shifted, below: largest), i.even - i.r)
    return take / take.addingProduct(keep, fDivisor)
}

/// 2^(n − m) of two numbers that carry n and m behind 1.5·2²³; 0 where that is below the normal range.
@inline(__always)
private func power(_ n: Vector, below m: Vector) -> Vector {
    let zero = SIMD8<Int32>(repeating: 0)
    let exponent = n.bits &- m.bits &+ SIMD8<Int32>(repeating: 127)
    return Vector(bits: exponent.replacing(with: zero, where: exponent .< zero) &<< 23)
}
