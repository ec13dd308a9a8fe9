import JSON

/// A checkpoint layout that others publish: recognised from its tensor names, so that no `config.json` is needed but
/// where the names leave something open.
protocol PublishedLayout: Sendable {
    /// What `config.json` calls it.
    static var name: String { get }

    /// Whether the tensor names are this layout's.
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

    /// The layout of `file`: the one that `hints`, a `config.json` with the member `layout`, names, or the first that its
    /// tensors' names match.
    static func layout(
        of file: TensorFile, hints root: JSONValue?, _ path: String
    ) throws(CheckpointError) -> (any PublishedLayout.Type, LayoutHints) {
        guard let root else {
            guard let layout = all.first(where: { $0.matches(file) }) else {
                throw .unknownLayout(tensors: Array(file.names.prefix(4)))
            }
            return (layout, LayoutHints())
        }
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
        guard layout.matches(file) else { throw refuse("the tensors are not of the layout \(layout.name)") }
        let hints = LayoutHints(normalisedGates: root["normalised_gates"]?.bool, residual: root["residual"]?.bool)
        return (layout, hints)
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
            throw .wrongShape(tensor: tensor.name, expected: [0, 0], found: tensor.shape)
        }
        return (tensor.shape[0], tensor.shape[1])
    }
}
