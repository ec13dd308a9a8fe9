import JSON

/// A checkpoint layout that others publish: recognised from its tensor names, so that no `config.json` is needed but
/// where the names leave something open.
protocol PublishedLayout: Sendable {
    /// What `config.json` calls it.
    static var name: String { get }

    /// Ends of tensor names, one of which every file of this layout has once: what stands before it is the prefix of all
    /// its names.
    static var marks: [String] { get }

    /// What a `config.json` may say beside `layout`: only what cannot be seen in the tensors.
    static var hints: Set<String> { get }

    /// Whether modules of any names may stand beside its own, those of other layouts among them.
    static var hasFreeModules: Bool { get }

    /// Whether the names of the tensors behind the file's prefix are this layout's.
    static func matches(_ file: TensorFile) -> Bool

    /// The file behind each prefix that its names may have for this layout.
    static func candidates(in file: TensorFile) -> [TensorFile]

    /// The architecture of a file that matches.
    static func configuration(
        of file: TensorFile, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelConfiguration

    /// The tensors of that architecture in their roles.
    static func tensors(
        of file: TensorFile, _ configuration: ModelConfiguration, _ hints: LayoutHints
    ) throws(CheckpointError) -> ModelTensors
}

extension PublishedLayout {
    static var hints: Set<String> { [] }
    static var hasFreeModules: Bool { false }

    /// The file behind what stands before a mark.
    static func candidates(in file: TensorFile) -> [TensorFile] {
        var prefixes: Set<Substring> = []
        for name in file.names {
            for mark in marks where name.hasSuffix(mark) {
                let prefix = name.dropLast(mark.count)
                if prefix.isEmpty || prefix.hasSuffix(".") { prefixes.insert(prefix) }
            }
        }
        return prefixes.sorted().map { file.behind(String($0)) }.filter(matches)
    }
}

/// What a `config.json` says beside `layout`; nothing without one.
struct LayoutHints {
    /// The whole of `config.json`; nil without one.
    var root: JSONValue?
    var path = ""
    /// Whether they are tried before a refusal advises them: then a refusal needs no advice.
    var isTrial = false

    /// A refusal of what `config.json` says, or without one of what `file` leaves open.
    func refuse(_ reason: String, _ file: TensorFile? = nil) -> CheckpointError {
        .configuration(file: root == nil ? file?.path ?? path : path, reason: reason)
    }

    func flag(_ name: String) throws(CheckpointError) -> Bool? {
        guard let value = root?[name] else { return nil }
        guard let flag = value.bool else { throw refuse("\(name) must be true or false") }
        return flag
    }
}

enum PublishedLayouts {
    static var all: [any PublishedLayout.Type] { CellFamilies.all.flatMap { $0.layouts } }

    /// A layout that the tensors of a file have, and the file behind the prefix of their names.
    typealias Found = (layout: any PublishedLayout.Type, file: TensorFile)

    /// The one of `layouts` that the tensors' names are of, behind any prefix; nil where they are of none.
    /// - Throws: where they are of several, or not all of them are of it.
    static func find(
        in file: TensorFile, among layouts: [any PublishedLayout.Type] = all
    ) throws(CheckpointError) -> Found? {
        let names = file.names
        var found: [Found] = []
        for layout in layouts { found += layout.candidates(in: file).map { (layout, $0) } }
        guard let first = found.first else { return nil }
        guard found.count == 1 else {
            let modular = found.first { $0.layout.hasFreeModules }
            throw .ambiguousLayout(
                found: found.map { "\($0.layout.name) behind \"\($0.file.prefix)\"" },
                settles: modular.flatMap { $0.layout.settling($0.file) })
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
        let hints = LayoutHints(root: root, path: path)
        let layout = all.first { $0.name == root["layout"]?.string }
        let known = layout?.hints ?? Set(all.flatMap { $0.hints })
        for (member, _) in root.members where member != "layout" && !known.contains(member) {
            throw hints.refuse(
                "beside \(layout.map { "the layout \($0.name)" } ?? "a layout") there is no field \"\(member)\"")
        }
        guard let layout else {
            throw hints.refuse("layout must be one of \(all.map { $0.name }.joined(separator: ", "))")
        }
        guard let found = try find(in: file, among: [layout]) else {
            throw hints.refuse("the tensors are not of the layout \(layout.name)")
        }
        return (found, hints)
    }

    /// How many layers a file has: tensors called `layers.0.` and so on, each followed by `rest`. Of several that are not
    /// all there the last one counts, so that what reads them misses the others by name.
    static func layers(of file: TensorFile, _ rest: String) -> Int {
        (numbers(of: file, rest).max() ?? -1) + 1
    }

    /// The numbers of the layers that a file has, up to `lastLayer`.
    static func numbers(of file: TensorFile, _ rest: String) -> [Int] {
        let (begin, end) = ("layers.", ".\(rest)")
        return file.shortNames.compactMap { name in
            guard name.hasPrefix(begin), name.hasSuffix(end) else { return nil }
            return number(name.dropFirst(begin.count).dropLast(end.count))
        }
    }

    /// The number that `digits` are, written without leading zeros and at most `lastLayer`; nil for all else.
    static func number(_ digits: some StringProtocol) -> Int? {
        guard let number = Int(digits), (0...lastLayer).contains(number), String(number) == digits else { return nil }
        return number
    }

    /// The largest number of a layer.
    static let lastLayer = 1023

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
