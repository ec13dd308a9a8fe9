/// Layers of one cell, `layers.N.…`, or a cell alone.
struct ParaStack {
    let layers: Int
    private let isSingle: Bool

    /// - Parameter mark: a tensor that each layer has.
    init?(_ file: TensorFile, mark: String) {
        isSingle = file.contains(mark)
        let layers = isSingle ? 1 : PublishedLayouts.layers(of: file, mark)
        guard layers > 0 else { return nil }
        self.layers = layers
    }

    /// The files behind what stands before a stack of layers or, where there is none, before a cell alone.
    static func candidates(in file: TensorFile, of layout: any PublishedLayout.Type) -> [TensorFile] {
        for mark in ["layers.0." + layout.marks[0], layout.marks[0]] {
            let prefixes = Set(file.names.filter { $0.hasSuffix(mark) }.map { $0.dropLast(mark.count) })
                .filter { $0.isEmpty || $0.hasSuffix(".") }
            let found = prefixes.sorted().map { file.behind(String($0)) }.filter(layout.matches)
            if !found.isEmpty { return found }
        }
        return []
    }

    /// What stands before the names of a layer's tensors.
    func prefix(_ layer: Int) -> String { isSingle ? "" : "layers.\(layer)." }

    /// Layers one on the other, vectors in and hidden states out.
    static func configuration(_ cell: ParaCell, _ widths: [Int]) -> ModelConfiguration {
        ModelConfiguration(
            cell: cell, order: .stacked, layers: widths.count - 1, width: widths[0], innerWidth: widths[0],
            layerWidths: Array(widths.dropFirst()), finalNorm: false, input: .vectors(size: widths[0]),
            output: .vectors(size: widths.last!), mapsInput: false, mapsOutput: false)
    }
}
