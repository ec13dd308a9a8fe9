/// Takes the chunked transfer coding apart (RFC 9112 §7.1) as its bytes arrive in any pieces; does no input or output.
///
/// The contract. `next` looks at `bytes[cursor...]` and moves `cursor` past what it has understood. It returns `.data`
/// with the range of the next piece of content (never empty; a chunk may come in several), `.end` once, after the
/// trailer section, and `.needMore` when `cursor` has reached the end of the bytes. It throws at the first byte that
/// cannot be right; neither the decoder nor the connection can be used after that. Content and outcome depend on the
/// bytes only, never on how they were cut into pieces. Extensions and trailer fields are checked, counted and dropped.
public struct ChunkedDecoder: Sendable {
    /// What the bytes looked at amount to.
    public enum Step: Equatable, Sendable {
        case needMore
        /// A range of the array given to `next`.
        case data(Range<Int>)
        case end
    }

    private enum State: Sendable {
        case size(digits: Int)
        case padding
        case extensions
        case sizeFeed
        case data
        case dataReturn
        case dataFeed
        case trailerStart
        case trailerName
        case trailerValue
        case trailerFeed
        case lastFeed
        case ended
    }

    private let extensionLimit: Int
    private let trailerLimit: Int
    private var state = State.size(digits: 0)
    private var remaining = 0
    private var extensionBytes = 0
    private var trailerBytes = 0

    public init(limits: HTTPLimits = HTTPLimits()) {
        extensionLimit = limits.chunkExtensionBytes
        trailerLimit = limits.trailerBytes
    }

    public mutating func next(_ bytes: [UInt8], from cursor: inout Int) throws(HTTPError) -> Step {
        while cursor < bytes.count {
            if case .data = state {
                let piece = cursor..<min(bytes.count, cursor + remaining)
                cursor = piece.upperBound
                remaining -= piece.count
                if remaining == 0 { state = .dataReturn }
                return .data(piece)
            }
            if case .ended = state { break }
            try step(bytes[cursor])
            cursor += 1
            if case .ended = state { return .end }
        }
        return .needMore
    }

    private mutating func step(_ byte: UInt8) throws(HTTPError) {
        switch state {
        case .size(let digits):
            if let value = byte.hexValue {
                // RFC 9112 §7.1: "anticipate potentially large hexadecimal numerals". 15 digits cannot overflow.
                guard digits < 15 else { throw Self.bad("The chunk size has more than 15 digits.") }
                remaining = remaining << 4 | Int(value)
                state = .size(digits: digits + 1)
            } else {
                guard digits > 0 else { throw Self.bad("A chunk has no size.") }
                try endSize(byte)
            }
        case .padding:
            try countExtension()
            try endSize(byte)
        case .extensions:
            try countExtension()
            if byte == .cr {
                state = .sizeFeed
            } else if !byte.isFieldText {
                throw Self.bad("A chunk extension has a control character.")  // RFC 9112 §7.1.1
            }
        case .sizeFeed:
            try expect(.lf, byte)
            state = remaining == 0 ? .trailerStart : .data
        case .data, .ended: preconditionFailure("not a state of single bytes")
        case .dataReturn:
            try expect(.cr, byte)
            state = .dataFeed
        case .dataFeed:
            try expect(.lf, byte)
            state = .size(digits: 0)
        case .trailerStart:
            if byte == .cr {
                state = .lastFeed
            } else {
                try countTrailer()
                guard byte.isToken else { throw Self.bad("A trailer field has no name.") }  // RFC 9112 §7.1.2
                state = .trailerName
            }
        case .trailerName:
            try countTrailer()
            if byte == UInt8(ascii: ":") {
                state = .trailerValue
            } else if !byte.isToken {
                throw Self.bad("A trailer field's name is no token.")  // RFC 9112 §5.1
            }
        case .trailerValue:
            try countTrailer()
            if byte == .cr {
                state = .trailerFeed
            } else if !byte.isFieldText {
                throw Self.bad("A trailer field's value has a control character.")  // RFC 9110 §5.5
            }
        case .trailerFeed:
            try expect(.lf, byte)
            state = .trailerStart
        case .lastFeed:
            try expect(.lf, byte)
            state = .ended
        }
    }

    /// RFC 9112 §7.1.1: blanks may stand before the semicolon of an extension, nowhere else.
    private mutating func endSize(_ byte: UInt8) throws(HTTPError) {
        switch byte {
        case UInt8(ascii: ";"): state = .extensions
        case .space, .tab: state = .padding
        case .cr:
            if case .padding = state { throw Self.bad("A chunk size is followed by a blank.") }
            state = .sizeFeed
        default: throw Self.bad("A chunk size is no hexadecimal number.")
        }
    }

    private mutating func countExtension() throws(HTTPError) {
        extensionBytes += 1
        if extensionBytes > extensionLimit { throw Self.bad("Chunk extensions exceed \(extensionLimit) bytes.") }
    }

    private mutating func countTrailer() throws(HTTPError) {
        trailerBytes += 1
        if trailerBytes > trailerLimit {
            throw HTTPError(
                .fieldsTooLarge, "trailer-too-large", "The trailer section exceeds \(trailerLimit) bytes.")
        }
    }

    private func expect(_ expected: UInt8, _ byte: UInt8) throws(HTTPError) {
        if byte != expected { throw Self.bad("A chunk or its line does not end in CR LF.") }
    }

    private static func bad(_ detail: String) -> HTTPError { HTTPError(.badRequest, "bad-chunk", detail) }
}
