/// Where a request's id comes from; it becomes text only where text is wanted.
enum RequestIdentifier {
    /// A range of the head's bytes.
    case client(Range<Int>)
    case generated(UInt64)

    init(_ head: RequestHead?, generate: () -> UInt64) {
        if let head, let range = head.fields.range(of: "x-request-id"), (1...128).contains(range.count),
            head.fields.bytes[range].allSatisfy({ $0.isToken && !"!#$%&'*+^`|~".utf8.contains($0) })
        {
            self = .client(range)
        } else {
            self = .generated(generate())
        }
    }

    func append(to bytes: inout [UInt8], _ head: RequestHead?) {
        switch self {
        case .client(let range): bytes.append(contentsOf: head!.fields.bytes[range])
        case .generated(let number): bytes.append(hex: number, digits: 16)
        }
    }

    func text(_ head: RequestHead?) -> String {
        var bytes: [UInt8] = []
        append(to: &bytes, head)
        return String(decoding: bytes, as: UTF8.self)
    }
}
