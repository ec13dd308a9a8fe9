/// Layers of one cell, `layers.N.…`, or a cell alone.
struct ParaStack {
    let layers: Int
    /// The first layer that is there.
    let first: Int
    private let isSingle: Bool

    /// - Parameter mark: a tensor that each layer has.
    init?(_ file: TensorFile, mark: String) {
        isSingle = file.contains(mark)
        let numbers = isSingle ? [0] : PublishedLayouts.numbers(of: file, mark)
        guard let first = numbers.min(), let last = numbers.max() else { return nil }
        (self.first, layers) = (first, last + 1)
    }

    /// The files behind what stands before a stack of layers or, where there is none, before a cell alone.
    static func candidates(in file: TensorFile, of layout: any PublishedLayout.Type) -> [TensorFile] {
        let mark = layout.marks[0]
        let single = Set(file.names.filter { $0.hasSuffix(mark) }.map { $0.dropLast(mark.count) })
            .filter { $0.isEmpty || $0.hasSuffix(".") }
        for prefixes in [Set(single.compactMap(beforeLayer)), single] {
            let found = prefixes.sorted().map { file.behind(String($0)) }.filter(layout.matches)
            if !found.isEmpty { return found }
        }
        return []
    }

    /// What stands before `layers.N.` at the end of a prefix; nil where it does not end so.
    private static func beforeLayer(_ prefix: Substring) -> Substring? {
        let words = prefix.dropLast().split(separator: ".", omittingEmptySubsequences: false).suffix(2)
        guard words.count == 2, words.first! == "layers", PublishedLayouts.number(words.last!) != nil else {
            return nil
        }
        return prefix.dropLast("layers..".count + words.last!.count)
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
