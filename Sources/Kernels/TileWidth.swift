import CTile

/// How many lanes the vectors of the register tile have. The bytes of its sums are the same for both.
enum TileWidth: Sendable {
    /// `Vector`: AVX2 or NEON.
    case eight
    /// Two of `Vector` that lie one after the other: AVX-512.
    case sixteen

    /// The widest that the processor has.
    static let widest = ctile_is_available() ? sixteen : eight
    /// What weights are packed for from here on.
    @TaskLocal static var chosen = widest

    /// How many times eight output channels of `parts` linear maps each make one panel: as many as fill the tile.
    func spread(parts: Int) -> Int {
        switch self {
        case .eight: parts == 1 ? 2 : 1
        case .sixteen: parts == 1 ? 4 : 2
        }
    }

    /// Registers of one panel of so many times eight columns.
    func registers(_ vectors: Int) -> Int { self == .eight ? vectors : vectors / 2 }

    /// Rows of the tallest tile of panels of so many times eight columns: with twelve accumulators of sixteen registers,
    /// or 24 of 32.
    func height(_ vectors: Int) -> Int { (self == .eight ? 12 : 24) / registers(vectors) }
}
