/// Names of sessions: 1 to 128 characters of `A-Za-z0-9._:-`, the first a letter or digit.
public enum SessionID {
    public static let maximumLength = 128
    /// What `isValid` asks for, in words.
    public static let rule =
        "1 to \(maximumLength) characters of A-Z, a-z, 0-9, \".\", \"_\", \":\", \"-\", the first a letter or digit"

    /// Whether a client may use `id`.
    public static func isValid(_ id: String) -> Bool {
        let bytes = id.utf8
        guard let first = bytes.first, bytes.count <= maximumLength, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || "._:-".utf8.contains($0) }
    }

    /// What the table calls a session of an owner: owners do not meet, whatever they call theirs. Without an owner it is
    /// the id itself.
    public static func scoped(_ id: String, owner: String) -> String { owner.isEmpty ? id : owner + "/" + id }

    /// Whose a session is, by what the table calls it; empty for nobody's.
    public static func owner(_ scoped: String) -> String {
        scoped.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(scoped[..<$0]) } ?? ""
    }

    /// What its owner calls it.
    public static func local(_ scoped: String) -> String {
        scoped.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(scoped[scoped.utf8.index(after: $0)...]) } ?? scoped
    }

    /// Whether the table may call a session so. Owners' names are like ids.
    static func isScoped(_ text: String) -> Bool {
        isValid(local(text)) && (text.utf8.contains(UInt8(ascii: "/")) ? isValid(owner(text)) : true)
    }

    /// A fresh id of 128 random bits, as 32 hexadecimal digits.
    public static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        let words = [generator.next() as UInt64, generator.next()]
        return words.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }
}
