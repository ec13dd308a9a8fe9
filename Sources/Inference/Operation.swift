import Kernels
import Recurrent
import Sessions

/// A `Work` on its way through the scheduler.
///
/// Made by the submitter, from then on touched by the scheduler's thread alone, but for the cancellation flag with its
/// lock: that makes `@unchecked Sendable` true.
final class Operation: @unchecked Sendable {
    let work: Work
    let stream: GenerationStream?
    let submitted = ContinuousClock.now
    private let report: @Sendable (Result<Completion, InferenceError>) -> Void
    private let cancellation: Cancellation?

    /// Set when it gets a slot of the workspace.
    var slot = -1
    var started: ContinuousClock.Instant?
    var session: SessionRecord?
    /// Inputs that the state has absorbed in its life.
    var step = 0
    /// Inputs of this work absorbed so far.
    var consumed = 0
    /// Whether the output that the state stands at is needed before the first row.
    var needsStateOutput = false
    /// Sampled, not yet absorbed.
    var nextToken: Int?
    var generator: Generator?
    var outputs: [Float] = []
    var score = (logprob: 0.0, steps: 0)
    /// The output from which the next token is drawn.
    var logits: [Float] = []
    var failure: InferenceError?
    /// Its state while it has no slot because its stream is not read.
    var parkedState: [Float]?

    init(
        _ work: Work, stream: GenerationStream? = nil, cancellation: Cancellation? = nil,
        report: @escaping @Sendable (Result<Completion, InferenceError>) -> Void
    ) {
        (self.work, self.stream, self.cancellation, self.report) = (work, stream, cancellation, report)
    }

    var isCancelled: Bool { stream?.cancelled ?? cancellation?.isCancelled ?? false }

    /// Inputs of this work that are still to be absorbed.
    var remaining: Int { work.input.count - consumed }

    /// The session whose order it keeps.
    var sessionID: String? {
        if case .session(let id) = work.target { id } else { nil }
    }

    /// Rows it could add to a batch now.
    var ready: Int {
        if remaining > 0 { return remaining }
        return nextToken != nil && stream?.hasRoom ?? true ? 1 : 0
    }

    /// Whether it goes on only when its stream is read.
    var isPaused: Bool { remaining == 0 && nextToken != nil && !(stream?.hasRoom ?? true) }

    func finish(_ result: Result<Completion, InferenceError>) { report(result) }

    func completion() -> Completion {
        let now = ContinuousClock.now
        return Completion(
            session: session, step: step, outputs: outputs, score: score, inputSteps: consumed,
            generated: generator?.result, queued: (started ?? now) - submitted, computed: now - (started ?? now))
    }
}
