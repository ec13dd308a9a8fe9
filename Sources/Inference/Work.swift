import Kernels
import Recurrent
import Sessions

/// One operation on one sequence: absorb an input, then perhaps generate.
public struct Work: Sendable {
    /// Whose state moves.
    public enum Target: Sendable, Equatable {
        /// A fresh state that is dropped afterwards.
        case detached
        /// The session of that name.
        case session(String)
        /// A fresh state that becomes a session when all has gone well; nil for a server-made name.
        case create(id: String?)
        /// The session of that name, whose state a supplied one replaces, or a new one.
        case put(String)
    }

    /// A state from elsewhere.
    public struct SuppliedState: Sendable {
        /// As `StateLayout` has them.
        public var values: [Float]
        /// Inputs absorbed.
        public var step: Int

        public init(values: [Float], step: Int) { (self.values, self.step) = (values, step) }
    }

    /// What must be true of the target's state before the work, else nothing is done.
    public enum Condition: Sendable, Equatable {
        /// There is no such session.
        case absent
        /// There is one, of any state.
        case present
        /// Its state's digest is one of these.
        case digest(Set<String>)
    }

    /// Something to do with a session beside moving it on.
    public enum Action: Sendable, Equatable {
        /// Make sessions of it; nil for server-made names.
        case fork(into: [String?])
        /// Name the state that it stands at; nil for a name made of its step.
        case checkpoint(name: String?)
        case listCheckpoints
        case deleteCheckpoint(name: String)
        /// Let it stand where it once stood, or at step 0 in the state of a new one.
        case rewind(RewindTarget)
        /// Tell the output that it stands at, which moves nothing.
        case tellOutput
        /// End it.
        case end
    }

    /// How a request is known again, and what is kept of it.
    public struct Idempotency: Sendable {
        /// What the client calls it.
        public var key: String
        /// Of the whole request.
        public var digest: String
        /// Makes the reply, which is kept with the session that the request is of, or that it makes.
        public var reply: @Sendable (Completion) -> [UInt8]

        public init(key: String, digest: String, reply: @escaping @Sendable (Completion) -> [UInt8]) {
            (self.key, self.digest, self.reply) = (key, digest, reply)
        }
    }

    /// After which steps outputs are wanted.
    public enum Outputs: Sendable { case none, last, all }

    /// The served model's id.
    public var model: String
    public var target: Target
    public var input: InputSequence
    public var outputs = Outputs.last
    /// Whose it is: states of prompts are kept for their owner alone, and sessions that it makes are the owner's.
    public var owner = ""
    /// What the owner's sessions may be.
    public var quota: SessionQuota?
    /// Whether it may begin with a kept state, and keep some.
    public var usesCache = true
    /// How the input's time steps are combined. Generated tokens are always single steps.
    public var scan = ScanMode.exact
    /// Whether to sum the log-probabilities of the input tokens.
    public var score = false
    /// How many of the likeliest tokens to tell of beside each generated token, and each input token that is scored, with
    /// their log-probabilities; nil for none of it.
    public var logprobs: Int?
    /// The session's serial as the submitter saw it: a later session of the same name is another one.
    public var serial: UInt64?
    /// The step the session must stand at.
    public var expectedStep: Int?
    /// The `stateVersion` that the session must have: that very state, reached by that very way.
    public var expectedVersion: UInt64?
    public var condition: Condition?
    /// Whether the session that it makes takes the place of one of that name.
    public var replaces = false
    /// The state to begin with, instead of the target's.
    public var supplied: SuppliedState?
    /// Whether the state that it ends with is wanted.
    public var wantsState = false
    /// When a session that it makes ends by itself.
    public var policy = SessionPolicy()
    /// What is done with the target, a session, when it has absorbed its input.
    public var action: Action?
    /// Set for a request that may come again: then it is done once.
    public var idempotency: Idempotency?
    public var generation: Generation?
    /// Nanoseconds on the monotonic clock after which nothing more is computed for it.
    public var deadline: Int64?

    public init(model: String, target: Target, input: InputSequence) {
        (self.model, self.target, self.input) = (model, target, input)
    }

    /// Whether a session whose state is damaged will do: it is given another, or tells which there are.
    var needsNoState: Bool {
        switch action {
        case .rewind, .listCheckpoints: true
        default: false
        }
    }

    /// What it says of its outputs, without what it absorbs.
    public var withoutInput: Work {
        var work = self
        (work.input, work.supplied) = (.empty, nil)
        return work
    }
}

/// How to go on after the input: sample a token, absorb it, and again.
public struct Generation: Sendable {
    /// Tokens to emit at most.
    public var maximumTokens: Int
    /// 0 takes the likeliest token.
    public var temperature: Float
    /// Only the k likeliest tokens are drawn from; 0 for all.
    public var topK: Int
    /// Only the likeliest tokens that together reach this probability are drawn from; 1 for all.
    public var topP: Float
    /// With the step it determines each draw, so the same seed on the same state gives the same text.
    public var seed: UInt64
    /// Texts that end the generation and are not part of the result.
    public var stop: [String]
    /// Tokens that were emitted already: this goes on behind them, as if it had never been interrupted.
    public var prior: [Int32] = []

    public init(maximumTokens: Int, temperature: Float, topK: Int, topP: Float, seed: UInt64, stop: [String]) {
        (self.maximumTokens, self.temperature, self.topK) = (maximumTokens, temperature, topK)
        (self.topP, self.seed, self.stop) = (topP, seed, stop)
    }
}

/// What came of a `Work`.
public struct Completion: Sendable {
    /// The session after it; nil for detached work.
    public var session: SessionRecord?
    /// Inputs that the state has absorbed in its life.
    public var step: Int
    /// Wanted outputs, one after the other, of the model's output size each.
    public var outputs: [Float]
    /// Summed log-probability of the scored input tokens, and how many there were.
    public var score: (logprob: Double, steps: Int)
    /// Scored input tokens, in order, where `Work.logprobs` asks for them.
    public var scored: [ScoredToken] = []
    /// Inputs absorbed by this work, generated tokens not counted.
    public var inputSteps: Int
    /// Of these, those whose state had been kept.
    public var cachedSteps = 0
    public var generated: Generated?
    /// The state at `step`, if that was wanted.
    public var state: [Float]?
    /// Sessions that it has made of its session.
    public var forks: [SessionRecord] = []
    /// The checkpoint that it has made, or those that there are.
    public var checkpoints: [Checkpoint] = []
    /// The reply to a request that may come again, and whether this is not the first time.
    public var reply: [UInt8]?
    public var isReplayed = false
    /// Whether it made the session.
    public var isNew = false
    /// Time from submission to the first computation, and from there to the end.
    public var queued: Duration
    public var computed: Duration

    public struct Generated: Sendable {
        public var tokens: [Int]
        /// nil for models without a tokenizer.
        public var text: String?
        public var finish: FinishReason
        /// The tokens again, where `Work.logprobs` asks for it.
        public var scored: [ScoredToken] = []
    }
}

public enum FinishReason: String, Sendable {
    case length, stop
}

/// Why a `Work` was not done. Its session, if any, stands where it stood, or at the last step its stream has reported.
public enum InferenceError: Error, Equatable {
    case session(SessionError)
    /// There is no such model any more.
    case notServed(model: String)
    /// Nor is there for its session, which waits for it to come back.
    case sessionNotServed(id: String, model: String)
    /// The session is not at the expected step but at `step`.
    case stepMismatch(expected: Int, step: Int)
    /// The session is at the expected step, but has come there by another way than the work goes on from.
    case stateReplaced
    /// The state is not what the work's condition says.
    case conditionFailed
    /// Absorbing the input of `step` would have left NaN or infinity in the state or output.
    case nonFinite(step: Int)
    /// A session that has absorbed nothing has no output to go on from.
    case nothingAbsorbed
    /// The sequence stands at `step`, and the work could take it beyond `limit`, the largest step.
    case stepLimit(step: Int, limit: Int)
    /// Its key was that of another request.
    case keyReused
    /// As many works wait already, on the server or on this session, as `limit`.
    case queueFull(limit: Int)
    case sessionQueueFull(limit: Int)
    /// The inputs of the works that wait already take almost `limit` bytes.
    case queueBytesFull(limit: Int)
    /// What is to be done already would delay it by so much, which is more than the limit.
    case overloaded(delay: Duration, limit: Duration)
    /// Its deadline passed before it was done.
    case deadlinePassed
    /// The server is shutting down.
    case draining
    /// Whoever asked has gone.
    case cancelled
    /// Another reader has gone on with the stream.
    case takenOver
}
