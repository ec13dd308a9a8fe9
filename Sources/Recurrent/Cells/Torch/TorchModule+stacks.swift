import JSON

extension TorchModule.Choice {
    /// The matrices that are of none of the stacks behind `prefixes`.
    func modules(besideAll prefixes: [String]) -> [Map] {
        let suffix = ".weight"
        return file.shortNames.compactMap { name in
            guard name.hasSuffix(suffix), !prefixes.contains(where: { TorchStack.holds(name, behind: $0) }) else {
                return nil
            }
            return try? Map(file, String(name.dropLast(suffix.count)))
        }
    }

    /// What `config.json` may say to have one of several stacks served with the matrices of `modules` that stand nearest
    /// to it.
    func configurations(of prefix: String, _ prefixes: [String], _ modules: [Map]) -> [String] {
        let name = quoted(prefix.dropLast())
        guard let stack = try? TorchStack(file, prefix, activation: nil) else { return [advice([("stack", name)])] }
        let own = modules.filter { map in
            let nearest = prefixes.map { Self.nearness(of: map.name, to: $0) }.max()
            return Self.nearness(of: map.name, to: prefix) == nearest
        }
        return Offer(own, beside: stack, self).configurations([("stack", name)], self, stack)
    }

    /// How many words of the path to a module's parent are the first of the path to a stack.
    private static func nearness(of module: String, to prefix: String) -> Int {
        func words(_ path: Substring) -> [Substring] { path.split(separator: ".", omittingEmptySubsequences: false) }
        return zip(words(module[...]).dropLast(), words(prefix.dropLast())).prefix { $0 == $1 }.count
    }
}
