import Kernels

/// Layers of `torch.nn` one on the other, found by the names and shapes of their tensors.
struct TorchStack {
    /// What stands before the names of its tensors: empty, or with a dot at its end.
    let prefix: String
    let cell: TorchCell
    let layers: Int
    /// Values of one input row, and of one output row.
    let inputs: Int
    let outputs: Int
    /// Whether its names are those of a `GRUCell`, without the number of a layer.
    private let isSingle: Bool
    private let hasBias: Bool

    /// What torch calls the tensors of a layer.
    private static let tensors = ["weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh"]
    private static let marks = ["weight_ih_l0", "weight_ih"]

    /// What stands before the names of each stack of a file, sorted.
    static func prefixes(in file: TensorFile) -> [String] {
        var prefixes: Set<String> = []
        for name in file.shortNames {
            for mark in marks where name.hasSuffix(mark) {
                let prefix = name.dropLast(mark.count)
                if prefix.isEmpty || prefix.hasSuffix(".") { prefixes.insert(String(prefix)) }
            }
        }
        return prefixes.sorted()
    }

    /// - Parameter activation: of the cell RNN; nil where nobody says it.
    init(_ file: TensorFile, _ prefix: String, activation: RNN.Activation?) throws(CheckpointError) {
        func refuse(_ reason: String) -> CheckpointError { .configuration(file: file.path, reason: reason) }
        let names = file.shortNames.filter { $0.hasPrefix(prefix) }
        if let reverse = names.last(where: { $0.hasSuffix("_reverse") }) {
            throw refuse(
                "tensor \(file.prefix + reverse) is of a bidirectional stack, whose second half needs the end of a "
                    + "sequence first: it cannot be stepped, and is not served")
        }
        isSingle = !file.contains(prefix + "weight_ih_l0")
        let suffix = isSingle ? "" : "_l0"
        let recurrent = prefix + "weight_hh" + suffix
        let (rows, columns) = try PublishedLayouts.matrix(recurrent, of: file)
        let projection = prefix + "weight_hr" + suffix
        var kind = TorchCell.Kind.lstm
        var cellWidth: Int?
        if file.contains(projection) {
            let (hidden, units) = try PublishedLayouts.matrix(projection, of: file)
            guard rows == 4 * units else {
                throw refuse(
                    "tensor \(file.prefix + projection) is of an LSTM with a projection, whose weight_hh\(suffix) has "
                        + "\(4 * units) rows, and that of this file has \(rows)")
            }
            guard columns == hidden else {
                throw .wrongShape(
                    tensor: file.prefix + projection, expected: [columns, units], found: [hidden, units])
            }
            cellWidth = units
        } else {
            guard let found = TorchCell.Kind.allCases.first(where: { $0.gates * columns == rows }) else {
                throw refuse(
                    "tensor \(file.prefix + recurrent) has shape [\(rows), \(columns)], expected 4 (LSTM), 3 (GRU) or 1 "
                        + "(RNN) times as many rows as columns")
            }
            kind = found
        }
        if activation != nil, kind != .rnn {
            throw refuse("activation is of nn.RNN, and the tensors are of nn.\(kind.rawValue)")
        }
        self.prefix = prefix
        cell = TorchCell(kind, activation: activation ?? .tanh, cellWidth: cellWidth)
        outputs = columns
        inputs = try PublishedLayouts.matrix(prefix + "weight_ih" + suffix, of: file).columns
        hasBias = ["bias_ih", "bias_hh"].contains { file.contains(prefix + $0 + suffix) }
        // A layer that is missing between two others is missed by name.
        let numbers = names.compactMap { name in
            Self.tensors.lazy.compactMap { name.number(behind: "\(prefix)\($0)_l") }.first
        }
        layers = isSingle ? 1 : 1 + (numbers.max() ?? 0)
        guard layers <= 1024 else { throw refuse("it has more than 1024 layers") }
        try expectOneType(in: file)
    }

    private func suffix(_ layer: Int) -> String { isSingle ? "" : "_l\(layer)" }

    func tensors(of file: TensorFile, layer: Int) throws(CheckpointError) -> TorchTensors {
        try cell.tensors(
            of: file, prefix, suffix: suffix(layer), inputs: layer == 0 ? inputs : outputs, outputs: outputs,
            hasBias: hasBias)
    }

    /// Refuses a stack in which some layers have half precision, and others not: one of them was not meant to.
    private func expectOneType(in file: TensorFile) throws(CheckpointError) {
        let first = try file.optional(prefix + "weight_ih" + suffix(0))
        for layer in 0..<layers {
            for name in ["weight_ih", "weight_hh", "weight_hr"] {
                guard let tensor = try file.optional(prefix + name + suffix(layer)) else { continue }
                guard tensor.type == first!.type else {
                    throw .mixedTypes(
                        tensor: tensor.name, found: tensor.type.rawValue, others: first!.name,
                        expected: first!.type.rawValue)
                }
            }
        }
    }
}

extension String {
    /// The whole number that is all that follows `prefix`; nil where it is not.
    fileprivate func number(behind prefix: String) -> Int? {
        guard hasPrefix(prefix), let number = Int(dropFirst(prefix.count)), number >= 0,
            self == "\(prefix)\(number)"
        else { return nil }
        return number
    }
}
