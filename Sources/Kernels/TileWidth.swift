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

    /// How many times eight of `channels` that need `parts` linear maps each make one panel: as many as fill the tile, and
    /// where no column is in vain as many as make it compute the most from what it loads.
    func spread(parts: Int, channels: Int) -> Int {
        switch (self, parts) {
        case (.eight, 1): 2
        case (.eight, _): 1
        case (.sixteen, 1): channels % 64 == 0 ? 8 : channels % 48 == 0 ? 6 : 4
        case (.sixteen, 2): channels % 32 == 0 ? 4 : 2
        case (.sixteen, _): 2
        }
    }

    /// Registers of one panel of so many times eight columns.
    func registers(_ vectors: Int) -> Int { self == .eight ? vectors : vectors / 2 }

    /// Rows of the tallest tile of panels of so many times eight columns: with twelve accumulators of sixteen registers,
    /// or 24 of 32.
    func height(_ vectors: Int) -> Int { (self == .eight ? 12 : 24) / registers(vectors) }
}
