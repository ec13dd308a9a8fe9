/// Why a text was not read as JSON.
public enum JSONError: Error, Equatable, CustomStringConvertible {
    /// The text breaks the grammar of RFC 8259 or holds a number that no 64-bit type can hold; the reason is one plain
    /// sentence without its final stop.
    case invalid(String)
    /// Arrays and objects nest deeper than ``JSONDocument/maximumDepth``.
    case tooDeep
    /// The text is longer than 4 GiB.
    case tooLarge
    /// The text is empty or only white space.
    case emptyInput
    /// Memory for the parsed text could not be had.
    case outOfMemory

    /// One plain sentence, fit for the `detail` of a reply.
    public var description: String {
        switch self {
        case .invalid(let reason): "\(reason)."
        case .tooDeep: "Arrays and objects nest deeper than \(JSONDocument.maximumDepth) levels."
        case .tooLarge: "The text is too large to be read as JSON."
        case .emptyInput: "The text is empty where JSON is expected."
        case .outOfMemory: "There is not enough memory to read the text."
        }
    }
}
