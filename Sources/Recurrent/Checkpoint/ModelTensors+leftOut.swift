extension ModelTensors {
    /// Modules that a remark names, and characters of each name.
    private static let (namedModules, namedCharacters) = (6, 64)

    /// What the owner of the file should know of modules that its `config.json` leaves out; nil where it leaves out none.
    /// It names the first few, so that it has at most a few hundred characters.
    var leftOutRemark: String? {
        let used = used
        // A tensor beside all modules stands for itself.
        let modules = Set(
            leftOut.filter { used[$0] == nil }.map { name in name.lastIndex(of: ".").map { name[..<$0] } ?? name[...] }
        ).sorted()
        guard !modules.isEmpty else { return nil }
        let shown = modules.prefix(Self.namedModules).map { module in
            // A line of the log stays one.
            let name = module.prefix(Self.namedCharacters).map { $0.isNewline || $0 < " " ? "�" : $0 }
            return String(name) + (module.count > Self.namedCharacters ? "…" : "")
        }
        return "config.json leaves out modules of the file: " + shown.joined(separator: ", ")
            + (modules.count > shown.count ? " and \(modules.count - shown.count) more" : "")
    }
}
