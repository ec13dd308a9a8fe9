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
    private static let marks = ["weight_ih", "weight_hh"]

    /// What stands before the names of each stack of a file, sorted.
    static func prefixes(in file: TensorFile) -> [String] {
        var prefixes: Set<String> = []
        for name in file.shortNames {
            let place = name.lastIndex(of: ".").map(name.index(after:)) ?? name.startIndex
            let prefix = String(name[..<place])
            for mark in marks where name == prefix + mark || digits(name, of: [mark], behind: prefix) != nil {
                prefixes.insert(prefix)
            }
        }
        return prefixes.sorted()
    }

    /// - Parameter activation: of the cell RNN; nil where nobody says it.
    init(_ file: TensorFile, _ prefix: String, activation: RNN.Activation?) throws(CheckpointError) {
        func refuse(_ reason: String) -> CheckpointError { .configuration(file: file.path, reason: reason) }
        let names = file.shortNames.filter { Self.holds($0, behind: prefix) }
        if let reverse = names.last(where: { $0.hasSuffix("_reverse") }) {
            throw refuse(
                "tensor \(file.prefix + reverse) is of a bidirectional stack, whose second half needs the end of a "
                    + "sequence first: it cannot be stepped, and is not served")
        }
        isSingle = !names.contains { Self.digits($0, behind: prefix) != nil }
        let first = isSingle ? "" : "_l0"
        // Where the first layer lacks it, that of another shows what was expected.
        let suffix = Self.first(of: names, "weight_hh", behind: prefix).map { "_l\($0)" } ?? first
        let recurrent = prefix + "weight_hh" + suffix
        guard file.contains(recurrent) else {
            let rows = file.shape(of: prefix + "weight_ih" + first)?.first.map(String.init) ?? "gates · hidden"
            throw .missing(tensor: file.prefix + recurrent, expected: "[\(rows), hidden]")
        }
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
            guard hidden < units else {
                throw refuse(
                    "tensor \(file.prefix + projection) has shape [\(hidden), \(units)]: the projection of an LSTM has fewer "
                        + "rows than columns, and no other cell has one")
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
        guard file.contains(prefix + "weight_ih" + first) else {
            throw .missing(tensor: file.prefix + prefix + "weight_ih" + first, expected: "[\(rows), inputs]")
        }
        inputs = try PublishedLayouts.matrix(prefix + "weight_ih" + first, of: file).columns
        hasBias = ["bias_ih", "bias_hh"].contains { file.contains(prefix + $0 + suffix) }
        // A layer that is missing between two others is missed by name.
        var last = 0
        for name in names {
            guard let digits = Self.digits(name, behind: prefix) else { continue }
            guard let number = Int(digits), number <= PublishedLayouts.lastLayer else {
                throw refuse(
                    "tensor \(file.prefix + name) is of layer \(digits), and layers go to \(PublishedLayouts.lastLayer)"
                )
            }
            if String(number) == digits { last = max(last, number) }
        }
        layers = isSingle ? 1 : 1 + last
    }

    /// The first layer that has a tensor called `tensor`; nil where none has.
    private static func first(of names: [String], _ tensor: String, behind prefix: String) -> Int? {
        names.compactMap { digits($0, of: [tensor], behind: prefix).flatMap { PublishedLayouts.number($0) } }.min()
    }

    /// What is the number of a layer in a name: all that follows the name of one of its tensors, where all are digits.
    private static func digits(_ name: String, of tensors: [String] = TorchStack.tensors, behind prefix: String)
        -> Substring?
    {
        for tensor in tensors where name.hasPrefix("\(prefix)\(tensor)_l") {
            let digits = name.dropFirst(prefix.count + tensor.count + 2)
            let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            return isNumber ? digits : nil
        }
        return nil
    }

    /// Whether a tensor is of the stack's own module, not of one inside or beside it.
    func holds(_ name: String) -> Bool { Self.holds(name, behind: prefix) }

    /// Whether a tensor is of the module of the stack behind `prefix`.
    static func holds(_ name: String, behind prefix: String) -> Bool {
        name.hasPrefix(prefix) && !name.dropFirst(prefix.count).contains(".")
    }

    private func suffix(_ layer: Int) -> String { isSingle ? "" : "_l\(layer)" }

    func tensors(of file: TensorFile, layer: Int) throws(CheckpointError) -> TorchTensors {
        try cell.tensors(
            of: file, prefix, suffix: suffix(layer), inputs: layer == 0 ? inputs : outputs, outputs: outputs,
            hasBias: hasBias)
    }
}
