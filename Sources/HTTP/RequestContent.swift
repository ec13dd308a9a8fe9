/// How far a request's body has been read.
struct RequestContent {
    private enum State {
        case complete
        /// Bytes to come.
        case length(Int)
        case chunked(ChunkedDecoder)
    }

    private var state: State
    /// Bytes of content taken so far.
    private(set) var received = 0
    /// Whether the client still waits for `100 Continue`.
    var awaitsContinue: Bool

    init(_ head: RequestHead, limits: HTTPLimits) {
        awaitsContinue = head.expectsContinue
        switch head.framing {
        case .none: state = .complete
        case .length(let count): state = .length(count)
        case .chunked: state = .chunked(ChunkedDecoder(limits: limits))
        }
    }

    var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Bytes to come, where that is known.
    var declared: Int? {
        if case .length(let count) = state { count } else { nil }
    }

    /// Takes all of a body out of `input`, if all of it has come; nil else, and nothing is taken.
    mutating func takeWhole(_ input: inout InputBuffer) -> [UInt8]? {
        guard case .length(let count) = state, input.count >= count else { return nil }
        state = .complete
        received = count
        return input.take(count)
    }

    /// Takes the next piece out of `input`; nil means that either the body is complete or more input is needed.
    mutating func next(_ input: inout InputBuffer) throws(HTTPError) -> [UInt8]? {
        switch state {
        case .complete: return nil
        case .length(let count):
            let taken = min(count, input.count)
            if taken == 0 { return nil }
            state = taken == count ? .complete : .length(count - taken)
            received += taken
            return input.take(taken)
        case .chunked(var decoder):
            var cursor = input.start
            var piece: [UInt8] = []
            // Gathers the chunks that are there: a body in many small ones is not handed over byte by byte.
            scan: while true {
                switch try decoder.next(input.bytes, from: &cursor) {
                case .data(let range): piece.append(contentsOf: input.bytes[range])
                case .needMore:
                    state = .chunked(decoder)
                    break scan
                case .end:
                    state = .complete
                    break scan
                }
            }
            input.consume(cursor - input.start)
            received += piece.count
            return piece.isEmpty ? nil : piece
        }
    }
}
