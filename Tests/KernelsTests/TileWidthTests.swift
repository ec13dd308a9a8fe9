import Testing

@testable import Kernels

extension TileWidth {
    /// Half of all tests compute as a processor does whose vectors have eight lanes, whatever this one has.
    static func of(_ seed: UInt64) -> TileWidth { seed / 2 % 2 == 0 ? .widest : .eight }

    /// What packs weights for tiles of this width.
    func pack<Packed>(_ make: () -> Packed) -> Packed { TileWidth.$chosen.withValue(self, operation: make) }
}

@Suite("The register tile of eight lanes and that of sixteen", .enabled(if: TileWidth.widest == .sixteen))
struct TileWidthTests {
    @Test(
        "give the same bytes, for all weight types and any number of rows, panels and blocks of inputs",
        arguments: SequentialCell.allCases, 0..<12)
    func sameBytes(cell: SequentialCell, seed: Int) {
        func layer(_ width: TileWidth) -> CellCase {
            CellCase(
                cell, seed: UInt64(seed), WeightType.allCases[seed % 3], channels: [8, 17, 40, 97][seed % 4],
                inputs: [3, 500][seed / 6], packedFor: width)
        }
        var narrow = layer(.eight)
        let sequences = [1, 2, 3, 5, 11, 30][seed % 6]
        let runs = [narrow, layer(.sixteen)].map {
            KernelRun($0.kernel, rows: 400, sequences: sequences, threads: 1 + seed % 2)
        }
        let rows = FeedbackScanTests.rows(&narrow, sequences: sequences, longest: 12, isMixed: false)
        let outputs = runs.map { run in run.run(rows).map { $0.map(\.bitPattern) } }
        #expect(!rows.isEmpty && outputs[0] == outputs[1])
    }
}
