import Threading

/// The one reader of one generation or several, which are read as they come, in turn, so that none waits for another.
/// It owns them: they end with it.
///
/// `turn` and `endings` are the reading task's own: so `@unchecked Sendable`.
public final class GenerationStreams: @unchecked Sendable {
    /// What one of them gives next.
    public typealias Element = (index: Int, element: GenerationStream.Element)

    /// Bytes of the events that can wait to be read, of all of them together.
    public let waitingBytes: Int
    private let streams: [GenerationStream]
    private let news: News
    private var turn = 0
    private var endings: [Completion?]

    /// Starts works with generations.
    public init(_ works: [Work], _ scheduler: Scheduler) {
        let news = News()
        streams = works.map { scheduler.stream($0) { news.come() } }
        self.news = news
        endings = works.map { _ in nil }
        waitingBytes = works.reduce(0) { $0 + GenerationStream.waitingBytes(logprobs: $1.logprobs) }
    }

    /// Reads a generation that goes on already, or has ended.
    public init(_ stream: GenerationStream) {
        (streams, news, endings) = ([stream], News(), [nil])
        waitingBytes = GenerationStream.waitingBytes(logprobs: nil)
    }

    deinit { cancel() }

    /// Nobody will read on.
    public func cancel() { for stream in streams { stream.leave() } }

    /// How those have ended that have.
    public var completions: [Completion] { endings.compactMap { $0 } }

    /// The next of any of them; nil when all have ended.
    /// - Throws: what ended one of them early.
    public func next() async throws(InferenceError) -> Element? {
        if streams.count == 1 {
            guard endings[0] == nil else { return nil }
            return note(0, try await streams[0].next())
        }
        while endings.contains(where: { $0 == nil }) {
            let seen = news.count
            for _ in streams.indices {
                let index = turn
                turn = (turn + 1) % streams.count
                guard endings[index] == nil, let element = try streams[index].takeNext() else { continue }
                return note(index, element)
            }
            await news.wait(since: seen)
        }
        return nil
    }

    private func note(_ index: Int, _ element: GenerationStream.Element) -> Element {
        if case .finished(let completion) = element { endings[index] = completion }
        return (index, element)
    }
}

/// Lets one task wait until something has come of anything. Under the lock: so `@unchecked Sendable`.
private final class News: @unchecked Sendable {
    private let lock = Lock()
    private var times = 0
    private var waiter: CheckedContinuation<Void, Never>?

    var count: Int { lock.withLock { times } }

    func come() {
        let waiting = lock.withLock {
            times += 1
            return waiter.take()
        }
        waiting?.resume()
    }

    /// Waits, unless something has come since there were so many.
    func wait(since seen: Int) async {
        await withCheckedContinuation { continuation in
            let mustWait = lock.withLock {
                if times == seen { waiter = continuation }
                return times == seen
            }
            if !mustWait { continuation.resume() }
        }
    }
}
