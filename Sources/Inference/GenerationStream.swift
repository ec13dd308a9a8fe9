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
/// memory. One task reads, by `GenerationStreams`, which ends the generation when it goes; the lock makes
/// `@unchecked Sendable` true.
public final class GenerationStream: @unchecked Sendable {
    static let capacity = 64

    /// Bytes that events of a generation can take while they wait to be read.
    /// - Parameter logprobs: as in `Work`.
    static func waitingBytes(logprobs: Int?) -> Int {
        // With a small heap object for the text, and one for the ranked tokens.
        let scores = logprobs.map { 32 + $0 * MemoryLayout<RankedToken>.stride } ?? 0
        return capacity * (MemoryLayout<GenerationEvent>.stride + 32 + scores)
    }

    private enum Ending {
        case finished(Completion)
        case failed(InferenceError)
    }

    private let lock = Lock()
    private var events = Deque<GenerationEvent>()
    /// Events that will be sent when they are on disk.
    private var expected = 0
    /// Whether the scheduler has found no room, and so must be woken when there is some again.
    private var wasFull = false
    private var ending: Ending?
    private var isCancelled = false
    /// Why the reader gets nothing any more, not even what waits for it.
    private var departure: InferenceError?
    private var reader: CheckedContinuation<Void, Never>?
    private var watchers: [CheckedContinuation<Void, Never>] = []
    private let wake: @Sendable () -> Void
    private let tell: @Sendable () -> Void
    /// What was emitted, for a client that reads it again; nil where nothing is kept.
    private var emitted: Emitted?
    private let grow: @Sendable (GenerationStream, Int) -> Void

    /// Tokens that were emitted one after the other, and where the session stood at the last of them.
    public struct Emitted: Sendable {
        public internal(set) var tokens: [Int32] = []
        public internal(set) var lastStep = 0
        /// `SessionRecord.stateVersion` at the last of them.
        public internal(set) var version: UInt64 = 0

        public init() {}

        /// Bytes that the tokens take.
        public var bytes: Int { tokens.capacity * MemoryLayout<Int32>.stride }

        mutating func note(_ event: GenerationEvent, _ version: UInt64) {
            tokens.append(Int32(event.token))
            (lastStep, self.version) = (event.step, version)
        }
    }

    /// - Parameters:
    ///   - keeping: what was emitted before, if all of it is to be kept.
    ///   - grow: called with the bytes by which what is kept has grown, for the first time when the first event is.
    ///   - tell: called when there may be something to read.
    ///   - wake: called when the scheduler should look at it again.
    init(
        keeping emitted: Emitted? = nil, grow: @escaping @Sendable (GenerationStream, Int) -> Void = { _, _ in },
        tell: @escaping @Sendable () -> Void = {}, wake: @escaping @Sendable () -> Void
    ) {
        (self.emitted, self.grow, self.tell, self.wake) = (emitted, grow, tell, wake)
    }

    /// One that has nothing more to give.
    public convenience init(endedWith completion: Completion) {
        self.init {}
        ending = .finished(completion)
    }

    // MARK: What is kept

    /// The steps of the events that are kept; nil where there is none.
    public var keptSteps: ClosedRange<Int>? {
        lock.withLock {
            guard let emitted, !emitted.tokens.isEmpty else { return nil }
            return emitted.lastStep - emitted.tokens.count + 1...emitted.lastStep
        }
    }

    /// Ends the generation, if it goes on still, and gives all that was emitted, and the end if it came by itself. If it
    /// did not, a reader that there still is fails with `takenOver`.
    public func cut() async -> (emitted: Emitted?, completion: Completion?) {
        let mustCancel = lock.withLock { if case .finished? = ending { false } else { true } }
        if mustCancel { leave(.takenOver) }
        await withCheckedContinuation { continuation in
            let hasEnded = lock.withLock {
                if ending == nil { watchers.append(continuation) }
                return ending != nil
            }
            if hasEnded { continuation.resume() }
        }
        return lock.withLock {
            guard case .finished(var completion)? = ending else { return (emitted, nil) }
            completion.generated?.tokens = emitted?.tokens.map(Int.init) ?? []
            return (emitted, completion)
        }
    }

    /// Keeps nothing any more of what was emitted.
    public func forget() { lock.withLock { emitted = nil } }

    /// Keeps of an end that has been read only what is not kept already. Under the lock.
    private func reduceEnding() {
        guard emitted != nil, case .finished(var completion)? = ending else { return }
        completion.generated?.tokens = []
        completion.generated?.text = nil
        ending = .finished(completion)
    }

    // MARK: The reader's side

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
                    if events.isEmpty && ending == nil && departure == nil {
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
            if let departure { return (nil as GenerationEvent?, false, Ending.failed(departure) as Ending?) }
            let event = events.popFirst()
            let end = ending
            if event == nil { reduceEnding() }
            return (event, hasRoomAgain(), end)
        }
        if mustWake { wake() }
        if let event { return .event(event) }
        switch end {
        case .finished(let completion): return .finished(completion)
        case .failed(let error): throw error
        case nil: return nil
        }
    }

    /// The generation ends at the last step computed.
    public func cancel() {
        lock.withLock { isCancelled = true }
        wake()
    }

    /// The reader has gone: as `cancel`, and nothing more is kept for it.
    func leave() { leave(.cancelled) }

    private func leave(_ reason: InferenceError) {
        change {
            if departure == nil { departure = reason }
            events = []
            reduceEnding()
        }
        cancel()
    }

    // MARK: The scheduler's side

    /// Whether another event may be made. When not, the scheduler is woken once half of the room is free again.
    var hasRoom: Bool {
        lock.withLock {
            let hasRoom = events.count + expected < Self.capacity
            if !hasRoom { wasFull = true }
            return hasRoom
        }
    }

    /// Whether the scheduler is to be woken for the room that there is again. Under the lock.
    private func hasRoomAgain() -> Bool {
        guard wasFull, ending != nil || events.count + expected <= Self.capacity / 2 else { return false }
        wasFull = false
        return true
    }

    /// Whether nobody reads any more, or nothing more can be told.
    var cancelled: Bool { lock.withLock { isCancelled || ending != nil } }

    /// - Parameter version: of the session when it has absorbed the token.
    func send(_ event: GenerationEvent, version: UInt64 = 0) { change { note(event, version) } }

    /// An event will be sent, by `sendExpected`.
    func expect() { lock.withLock { expected += 1 } }

    func sendExpected(_ event: GenerationEvent, version: UInt64 = 0) {
        change {
            expected -= 1
            if ending == nil { note(event, version) }
        }
    }

    func end(_ result: Result<Completion, InferenceError>) {
        change {
            if ending != nil { return }
            switch result {
            case .success(let completion): ending = .finished(completion)
            case .failure(let error): ending = .failed(error)
            }
            if departure != nil { reduceEnding() }
        }
    }

    /// Ends the stream before its generation, which the scheduler then ends.
    func fail(_ error: InferenceError) {
        end(.failure(error))
        wake()
    }

    /// Under the lock.
    private func note(_ event: GenerationEvent, _ version: UInt64) {
        if departure == nil { events.append(event) }
        emitted?.note(event, version)
    }

    private func change(_ body: () -> Void) {
        let (waiting, watching, growth, mustWake) = lock.withLock {
            let before = emitted?.bytes ?? 0
            body()
            defer { reader = nil }
            var watching: [CheckedContinuation<Void, Never>] = []
            if ending != nil { swap(&watching, &watchers) }
            return (reader, watching, (emitted?.bytes ?? 0) - before, hasRoomAgain())
        }
        waiting?.resume()
        for watcher in watching { watcher.resume() }
        if growth > 0 { grow(self, growth) }
        if mustWake { wake() }
        tell()
    }
}
