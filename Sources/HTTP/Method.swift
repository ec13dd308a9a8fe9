/// The request methods that the server knows (RFC 9110 §9.3, RFC 5789); any other is answered 501. No route has TRACE,
/// which tells what a request came with: it is answered 405.
public enum Method: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
    case trace = "TRACE"

    /// The method that `bytes` spell exactly: methods are case-sensitive (RFC 9110 §9.1).
    init?(_ bytes: ArraySlice<UInt8>) {
        let likely: Method
        switch (bytes.first, bytes.count) {
        case (UInt8(ascii: "G"), 3): likely = .get
        case (UInt8(ascii: "H"), 4): likely = .head
        case (UInt8(ascii: "P"), 4): likely = .post
        case (UInt8(ascii: "P"), 3): likely = .put
        case (UInt8(ascii: "P"), 5): likely = .patch
        case (UInt8(ascii: "D"), 6): likely = .delete
        case (UInt8(ascii: "O"), 7): likely = .options
        case (UInt8(ascii: "T"), 5): likely = .trace
        default: return nil
        }
        guard bytes.elementsEqual(likely.rawValue.utf8) else { return nil }
        self = likely
    }
}
