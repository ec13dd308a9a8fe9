import DequeModule
import Threading

/// One emitted token.
public struct GenerationEvent: Sendable, Equatable {
    public let token: Int
    /// Text that has become certain with it: empty while it may be the beginning of a stop text; nil without a
    /// tokenizer.
    public let text: String?
    /// The step of the session once it has absorbed the token.
    public let step: Int
    /// Where `Work.logprobs` asks for it.
    public var scored: ScoredToken?
}

/// Events of one generation on their way from the scheduler to a connection.
///
/// The scheduler pauses the generation while `capacity` events wait unread, so a slow reader costs a fixed amount of
/// memory. One task reads; its lock makes `@unchecked Sendable` true.
public final class GenerationStream: @unchecked Sendable {
    static let capacity = 64

    private enum Ending {
        case finished(Completion)
        case failed(InferenceError)
    }

    private let lock = Lock()
    private var events = Deque<GenerationEvent>()
    /// Events that will be sent when they are on disk.
    private var expected = 0
    private var ending: Ending?
    private var isCancelled = false
    private var reader: CheckedContinuation<Void, Never>?
    private var watcher: CheckedContinuation<Void, Never>?
    private let wake: @Sendable () -> Void
    private let tell: @Sendable () -> Void
    /// What was emitted, for who reads it again.
    private var emitted: Emitted?

    /// Tokens that were emitted one after the other, and the step of the session at the last of them.
    public struct Emitted: Sendable {
        public internal(set) var tokens: [Int32] = []
        public internal(set) var lastStep = 0

        public init() {}

        mutating func note(_ event: GenerationEvent) {
            tokens.append(Int32(event.token))
            lastStep = event.step
        }
    }

    /// - Parameters:
    ///   - keeping: what was emitted before, if all of it is to be kept.
    ///   - tell: called when there may be something to read.
    ///   - wake: called when the scheduler should look at it again.
    init(
        keeping emitted: Emitted? = nil, tell: @escaping @Sendable () -> Void = {},
        wake: @escaping @Sendable () -> Void
    ) {
        (self.emitted, self.tell, self.wake) = (emitted, tell, wake)
    }

    /// One that has nothing more to give.
    public convenience init(endedWith completion: Completion) {
        self.init {}
        ending = .finished(completion)
    }

    /// Ends the generation, if it goes on still, and tells all that was emitted, and the end if it came by itself.
    public func cut() async -> (emitted: Emitted?, completion: Completion?) {
        cancel()
        await withCheckedContinuation { continuation in
            let hasEnded = lock.withLock {
                if ending != nil || watcher != nil { return true }
                watcher = continuation
                return false
            }
            if hasEnded { continuation.resume() }
        }
        return lock.withLock {
            if case .finished(let completion)? = ending { return (emitted, completion) }
            return (emitted, nil)
        }
    }

    /// What the reader gets next.
    public enum Element: Sendable {
        case event(GenerationEvent)
        case finished(Completion)
    }

    /// The next event, or the end. Throws what ended the generation early.
    public func next() async throws(InferenceError) -> Element {
        while true {
            if let element = try takeNext() { return element }
            await withCheckedContinuation { continuation in
                let ready = lock.withLock {
                    if events.isEmpty && ending == nil {
                        reader = continuation
                        return false
                    }
                    return true
                }
                if ready { continuation.resume() }
            }
        }
    }

    /// As `next`, but nil where that would wait.
    func takeNext() throws(InferenceError) -> Element? {
        let (event, mustWake, end) = lock.withLock {
            let event = events.popFirst()
            return (event, event != nil && events.count == Self.capacity / 2, ending)
        }
        if mustWake { wake() }
        if let event { return .event(event) }
        switch end {
        case .finished(let completion): return .finished(completion)
        case .failed(let error): throw error
        case nil: return nil
        }
    }

    /// Nobody will read on: the generation ends at the last step computed.
    public func cancel() {
        lock.withLock { isCancelled = true }
        wake()
    }

    // MARK: The scheduler's side

    var hasRoom: Bool { lock.withLock { events.count + expected < Self.capacity } }
    var cancelled: Bool { lock.withLock { isCancelled } }

    func send(_ event: GenerationEvent) {
        change {
            events.append(event)
            emitted?.note(event)
        }
    }

    /// An event will be sent, by `sendExpected`.
    func expect() { lock.withLock { expected += 1 } }

    func sendExpected(_ event: GenerationEvent) {
        change {
            expected -= 1
            if ending == nil {
                events.append(event)
                emitted?.note(event)
            }
        }
    }

    func end(_ result: Result<Completion, InferenceError>) {
        change {
            if ending != nil { return }
            switch result {
            case .success(let completion): ending = .finished(completion)
            case .failure(let error): ending = .failed(error)
            }
        }
    }

    private func change(_ body: () -> Void) {
        let (waiting, watching) = lock.withLock {
            body()
            defer { reader = nil }
            return (reader, ending == nil ? nil : watcher.take())
        }
        waiting?.resume()
        watching?.resume()
        tell()
    }
}
