import JSON

extension TorchModule.Choice {
    /// How many configurations a refusal advises, and how many it tries for that.
    private static let (advised, tried) = (6, 24)

    /// A `config.json` that says `fields`, values as JSON, beside what the one that is there says already.
    func advice(_ fields: [(name: String, value: String)]) -> String {
        var all: [(name: String, value: String)] = [("layout", "\"torch\"")]
        for (name, value) in hints.root?.members.map({ ($0, $1) }) ?? []
        where name != "layout" && !fields.contains(where: { $0.name == name }) {
            let items = value.elements.map { quoted($0.string ?? "") }.joined(separator: ", ")
            let text = value.kind == .array ? "[\(items)]" : value.string.map(quoted) ?? value.bool.map(String.init)
            all.append((name, text ?? "null"))
        }
        return "{" + (all + fields).map { "\"\($0.name)\": \($0.value)" }.joined(separator: ", ") + "}"
    }

    /// `name` as JSON.
    func quoted(_ name: some StringProtocol) -> String {
        var json = JSONWriter()
        json.string(String(name))
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// A refusal that says `reason`, the first few of `configurations` that settle it, and `rest`; where none of them does,
    /// what the first is refused for.
    func refuse(_ reason: String, settledBy configurations: [String], _ rest: String = "") -> CheckpointError {
        if hints.isTrial { return refuse(reason) }
        let (settling, failure) = self.settling(configurations, atMost: Self.advised)
        return refuse(reason, settledBy: settling, rest, otherwise: failure)
    }

    /// Those of `configurations` beside which the file is served, and what the first of the others is refused for.
    private func settling(
        _ configurations: [String], atMost count: Int
    ) -> (settling: [String], failure: CheckpointError?) {
        var settling: [String] = []
        var failure: CheckpointError?
        for text in configurations.prefix(Self.tried) where settling.count < count && !settling.contains(text) {
            let path = hints.root == nil ? file.path : hints.path
            if let error = TorchLayout.refusal(of: file, with: text, at: path) {
                failure = failure ?? error
            } else {
                settling.append(text)
            }
        }
        return (settling, failure)
    }

    private func refuse(
        _ reason: String, settledBy settling: [String], _ rest: String, otherwise failure: CheckpointError?
    ) -> CheckpointError {
        guard !settling.isEmpty else { return failure ?? refuse(reason) }
        let chained = settling.contains { $0.contains("\"output_activation\"") }
        return refuse(
            reason + list(settling) + rest
                + (chained ? "; output_activation is what stands between several: \(activations) or null" : ""))
    }

    /// A refusal of several stacks, which advises a whole configuration of each.
    func refuse(_ reason: String, settledByStacks prefixes: [String], _ rest: String) -> CheckpointError {
        if hints.isTrial { return refuse(reason) }
        let modules = modules(besideAll: prefixes)
        var (settling, failure): ([String], CheckpointError?) = ([], nil)
        for prefix in prefixes.prefix(Self.tried) where settling.count < Self.advised {
            let found = self.settling(
                configurations(of: prefix, prefixes, modules), atMost: max(1, Self.advised / prefixes.count))
            settling += found.settling
            failure = failure ?? found.failure
        }
        return refuse(reason, settledBy: settling, rest, otherwise: failure)
    }

    /// The first few of `words`, the last of them after "or".
    func list(_ words: [String]) -> String {
        let shown = words.prefix(Self.advised)
        return shown.dropLast().joined(separator: ", ") + (shown.count > 1 ? " or " : "") + (shown.last ?? "")
    }
}
