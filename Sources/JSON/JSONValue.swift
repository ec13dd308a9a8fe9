/// A value of a ``JSONDocument``, which it keeps alive. Copies are cheap; reading never fails, it returns nil.
public struct JSONValue: Sendable {
    /// What a value is.
    public enum Kind: Sendable {
        case object, array, string, number, boolean, null
    }

    let document: JSONDocument
    let position: Int

    private var type: UInt8 { document.tape.type(at: position) }

    /// What this value is.
    public var kind: Kind {
        switch type {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .boolean
        case UInt8(ascii: "n"): .null
        default: .number
        }
    }

    /// The text of a string, nil for anything else.
    public var string: String? {
        type == UInt8(ascii: "\"") ? document.tape.string(at: position) : nil
    }

    /// Whether this is a string equal to `text` byte for byte; makes no copy.
    public func isString(_ text: String) -> Bool {
        type == UInt8(ascii: "\"") && document.tape.isString(at: position, equalTo: text.utf8.span)
    }

    /// The truth of a boolean, nil for anything else.
    public var bool: Bool? {
        switch type {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// An integer literal that fits; nil for anything else, `3.0` included.
    public var int: Int? {
        type == UInt8(ascii: "l") ? Int(Int64(bitPattern: document.tape.number(at: position))) : nil
    }

    /// Any number as the nearest double, nil for anything else.
    public var double: Double? {
        switch type {
        case UInt8(ascii: "d"): Double(bitPattern: document.tape.number(at: position))
        case UInt8(ascii: "l"): Double(Int64(bitPattern: document.tape.number(at: position)))
        case UInt8(ascii: "u"): Double(document.tape.number(at: position))
        default: nil
        }
    }

    /// Any number as the float nearest to its double or integer, infinite beyond the range of floats; nil for anything
    /// else.
    public var float: Float? {
        switch type {
        case UInt8(ascii: "d"), UInt8(ascii: "l"), UInt8(ascii: "u"):
            Self.float(type: type, bits: document.tape.number(at: position))
        default: nil
        }
    }

    @inline(__always)
    static func float(type: UInt8, bits: UInt64) -> Float? {
        switch type {
        case UInt8(ascii: "d"): Float(Double(bitPattern: bits))
        case UInt8(ascii: "l"): Float(Int64(bitPattern: bits))
        case UInt8(ascii: "u"): Float(bits)
        default: nil
        }
    }

    /// Whether this is `null`.
    public var isNull: Bool { type == UInt8(ascii: "n") }

    /// How many elements or members an array or object has; 0 for anything else.
    public var count: Int {
        guard type == UInt8(ascii: "[") || type == UInt8(ascii: "{") else { return 0 }
        if let count = document.tape.shortCount(at: position) { return count }
        return type == UInt8(ascii: "[") ? elements.reduce(0) { count, _ in count + 1 } : keyPositions.count
    }
}
