/// Header fields in the order in which they came, found by name whatever its case (RFC 9110 §5.1).
///
/// All names and values lie in one byte array, so that a request's fields are parsed without copying any of them, and a
/// value becomes a `String` only when someone asks for it.
public struct HeaderFields: Sendable, ExpressibleByDictionaryLiteral {
    struct Field: Sendable {
        let name: Range<Int>
        let value: Range<Int>
    }

    var bytes: [UInt8] = []
    var entries: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { append(name, value) }
    }

    public var count: Int { entries.count }

    /// The first value of `name`; setting replaces all of them, nil removes them. Bytes that are not UTF-8 read as
    /// U+FFFD.
    public subscript(name: String) -> String? {
        get { range(of: name).map { String(decoding: bytes[$0], as: UTF8.self) } }
        set {
            entries.removeAll { bytes.spells(name, in: $0.name) }
            if let newValue { append(name, newValue) }
        }
    }

    /// All values of `name`, in order.
    public func values(of name: String) -> [String] {
        entries.filter { bytes.spells(name, in: $0.name) }.map { String(decoding: bytes[$0.value], as: UTF8.self) }
    }

    public func contains(_ name: String) -> Bool { range(of: name) != nil }

    /// Adds a field after the others. `name` must be a token (a programmer's error otherwise); a line break or NUL in
    /// `value`, which could split the message (RFC 9110 §5.5), becomes a space.
    public mutating func append(_ name: String, _ value: String) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(\.isToken), "\"\(name)\" is no field name")
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        for byte in value.utf8 { bytes.append(byte.isFieldText ? byte : .space) }
        entries.append(Field(name: start..<middle, value: middle..<bytes.count))
    }

    /// All fields as text.
    public var pairs: [(name: String, value: String)] {
        entries.map {
            (String(decoding: bytes[$0.name], as: UTF8.self), String(decoding: bytes[$0.value], as: UTF8.self))
        }
    }

    func range(of name: String) -> Range<Int>? {
        for entry in entries where bytes.spells(name, in: entry.name) { return entry.value }
        return nil
    }
}
