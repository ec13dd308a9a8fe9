/// The request methods that the server implements (RFC 9110 §9.3, RFC 5789); any other is answered 501.
public enum Method: String, Sendable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"

    init?(_ bytes: ArraySlice<UInt8>) {
        for method in Method.allCases where bytes.elementsEqual(method.rawValue.utf8) {
            self = method
            return
        }
        return nil
    }
}
