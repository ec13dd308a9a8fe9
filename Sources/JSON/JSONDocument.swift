/// An immutable parsed JSON text (RFC 8259).
///
/// Any number of threads may read it. Its memory, about 14 times the text, comes from a pool and goes back there with
/// the last reference to the document or to a ``JSONValue`` of it.
///
/// Numbers are 64-bit: an integer literal outside `Int64` and `UInt64` and a literal that overflows `Double` are
/// errors. Names that repeat within an object are not: see ``firstDuplicateKey``.
public final class JSONDocument: Sendable {
    /// How deep arrays and objects may nest; an empty one inside the deepest is still allowed.
    public static let maximumDepth = 64

    let tape: Tape

    /// Parses a whole text. The bytes are copied.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        tape = try Tape(parsing: bytes, maximumDepth: Self.maximumDepth)
    }

    /// The outermost value.
    public var root: JSONValue { JSONValue(document: self, position: 1) }

    /// A name that an object anywhere in the text has more than once, nil if there is none.
    ///
    /// Costs one walk over the text's values; objects of more than 16 members are checked with a hash table.
    public var firstDuplicateKey: String? {
        var position = 1
        // The last word, a root's, is the only one of its type after the first.
        while tape.type(at: position) != UInt8(ascii: "r") {
            switch tape.type(at: position) {
            case UInt8(ascii: "{"):
                if let key = JSONValue(document: self, position: position).duplicateKey { return key }
                position += 1
            case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): position += 2
            default: position += 1
            }
        }
        return nil
    }

    /// The position of the value after the one at `position`.
    @inline(__always)
    func next(after position: Int) -> Int {
        switch tape.type(at: position) {
        case UInt8(ascii: "{"), UInt8(ascii: "["): tape.end(at: position)
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): position + 2
        default: position + 1
        }
    }
}
