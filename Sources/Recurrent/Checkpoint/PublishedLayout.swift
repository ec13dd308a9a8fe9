import JSON

/// A checkpoint layout that others publish: recognised from its tensor names, so that no `config.json` is needed but
/// where the names leave something open.
protocol PublishedLayout: Sendable {
    /// What `config.json` calls it.
    static var name: String { get }

    /// Ends of tensor names, one of which every file of this layout has once: what stands before it is the prefix of all
    /// its names.
    static var marks: [String] { get }

    /// Whether the names of the tensors behind the file's prefix are this layout's.
    static func matches(_ file: TensorFile) -> Bool

    /// The architecture of a file that matches.
    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration

    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration
    ) throws(CheckpointError) -> ModelTensors
}

/// What a `config.json` may say of a published layout: only what cannot be seen in its tensors.
struct LayoutHints {
    /// Whether the gates of a minLSTM were normalised.
    var normalisedGates: Bool?
    /// Whether layers have residual connections.
    var residual: Bool?
}

enum PublishedLayouts {
    static let all: [any PublishedLayout.Type] = [
        MinGRUPyTorchLayout.self, MinRNNsLayout.self, MinGRUStackLayout.self, HighwayLayout.self,
    ]

    /// A layout that the tensors of a file have, and the file behind the prefix of their names.
    typealias Found = (layout: any PublishedLayout.Type, file: TensorFile)

    /// The one of `layouts` that the tensors' names are of, behind any prefix; nil where they are of none.
    /// - Throws: where they are of several, or not all of them are of it.
    static func find(
        in file: TensorFile, among layouts: [any PublishedLayout.Type] = all
    ) throws(CheckpointError) -> Found? {
        let names = file.names
        var found: [Found] = []
        for layout in layouts {
            var prefixes: Set<Substring> = []
            for name in names {
                for mark in layout.marks where name.hasSuffix(mark) {
                    let prefix = name.dropLast(mark.count)
                    if prefix.isEmpty || prefix.hasSuffix(".") { prefixes.insert(prefix) }
                }
            }
            for prefix in prefixes.sorted() {
                let behind = file.behind(String(prefix))
                if layout.matches(behind) { found.append((layout, behind)) }
            }
        }
        guard let first = found.first else { return nil }
        guard found.count == 1 else {
            throw .ambiguousLayout(found: found.map { "\($0.layout.name) behind \"\($0.file.prefix)\"" })
        }
        let strangers = names.filter { !$0.hasPrefix(first.file.prefix) }
        guard strangers.isEmpty else {
            throw .strangers(layout: first.layout.name, prefix: first.file.prefix, tensors: strangers)
        }
        return first
    }

    /// The layout of `file` that `root`, a `config.json` of hints, names, and what else that says.
    static func named(
        by root: JSONValue, _ path: String, in file: TensorFile
    ) throws(CheckpointError) -> (Found, LayoutHints) {
        func refuse(_ reason: String) -> CheckpointError { .configuration(file: path, reason: reason) }
        for (member, value) in root.members {
            switch member {
            case "layout": break
            case "normalised_gates", "residual":
                if value.bool == nil { throw refuse("\(member) must be true or false") }
            default: throw refuse("beside a layout there is no field \"\(member)\"")
            }
        }
        guard let layout = all.first(where: { $0.name == root["layout"]?.string }) else {
            throw refuse("layout must be one of \(all.map { $0.name }.joined(separator: ", "))")
        }
        guard let found = try find(in: file, among: [layout]) else {
            throw refuse("the tensors are not of the layout \(layout.name)")
        }
        let hints = LayoutHints(normalisedGates: root["normalised_gates"]?.bool, residual: root["residual"]?.bool)
        return (found, hints)
    }

    /// How many layers a file has: tensors called `layers.0.` and so on, each followed by `rest`.
    static func layers(of file: TensorFile, _ rest: String) -> Int {
        var count = 0
        while file.contains("layers.\(count).\(rest)") { count += 1 }
        return count
    }

    /// ε of a norm that divides by the length of its input, at least 1e-12, and not by the root of a mean.
    static func unitEpsilon(_ width: Int) -> Float { 1e-24 / Float(width) }

    /// A matrix of at least one row and column.
    static func matrix(_ name: String, of file: TensorFile) throws(CheckpointError) -> (rows: Int, columns: Int) {
        guard let tensor = try file.optional(name) else { throw .missingTensor(file.prefix + name) }
        guard tensor.shape.count == 2, tensor.count > 0 else {
            throw .noMatrix(tensor: tensor.name, found: tensor.shape)
        }
        return (tensor.shape[0], tensor.shape[1])
    }
}
