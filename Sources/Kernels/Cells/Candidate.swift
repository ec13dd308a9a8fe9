/// How the candidate of a minimal cell leaves its linear map.
public enum Candidate: Sendable {
    /// g(x) of the log-space training form (arXiv 2410.01201, appendix B): x + 0.5 for x ≥ 0, else σ(x).
    case logSpace
    /// x itself.
    case vanilla

    /// What the candidate makes of `values`.
    public func apply(_ values: [Float]) -> [Float] {
        switch self {
        case .logSpace: values.map { LogSpace.apply(Vector(repeating: $0))[0] }
        case .vanilla: values
        }
    }
}

/// A candidate that a cell is specialised for.
protocol CandidateFunction {
    static func apply(_ x: Vector) -> Vector
}

enum LogSpace: CandidateFunction {
    @inline(__always)
    static func apply(_ x: Vector) -> Vector { positive(x) }
}

enum Vanilla: CandidateFunction {
    @inline(__always)
    static func apply(_ x: Vector) -> Vector { x }
}
