import Glibc
import Kernels
import Recurrent
import Sessions
import TestSupport

@testable import Inference

/// A scheduler over random models, without any HTTP around it.
final class Server: Sendable {
    let sessions: SessionTable
    let scheduler: Scheduler
    let models: [ServedModel]

    init(_ models: [ServedModel], limits: Scheduler.Limits = .init(), budget: Int = 64 << 20) {
        sessions = SessionTable(budget: budget) { 0 }
        scheduler = Scheduler(models, sessions: sessions, limits: limits, clock: monotonicNanoseconds)
        self.models = models
    }

    /// Makes the session `id` and lets it absorb `input`.
    @discardableResult
    func create(_ id: String, _ input: InputSequence = .empty, model: Int = 0) async throws -> Completion {
        try await scheduler.run(Work(model: models[model].id, target: .create(id: id), input: input))
    }

    func state(_ id: String, model: Int = 0) throws -> [UInt32] {
        let matrix = Matrix(rows: 1, columns: models[model].model.state.count)
        _ = try sessions.load(id, into: matrix, row: 0, model: models[model].id)
        return matrix.values(0).map(\.bitPattern)
    }
}

@Sendable func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}

/// Runs `body` with a server, which is stopped behind it.
func withServer(
    _ models: [ServedModel], limits: Scheduler.Limits = .init(), _ body: (Server) async throws -> Void
) async throws {
    let server = Server(models, limits: limits)
    defer { server.scheduler.stop() }
    try await body(server)
}

func served(
    _ random: RandomModel, as id: String = "tokens", characters: String? = nil, weights: WeightType? = nil
) throws -> ServedModel {
    let folder = TemporaryFolder()
    let path = random.write(to: folder, name: id, characters: characters)
    return ServedModel(try ModelFolder(path: path, weights: weights), created: 0)
}

/// A small token model with a tokenizer of eight characters.
func smallModel(cell: String = "minGRU", kernel: Int? = 3) throws -> ServedModel {
    var random = RandomModel()
    (random.cell, random.kernel, random.vocabularySize, random.hasInitialState) = (cell, kernel, 8, true)
    return try served(random, characters: "abcdefgh")
}

func vectorModel() throws -> ServedModel {
    var random = RandomModel()
    (random.inputSize, random.outputSize, random.norm, random.cell) = (3, 2, nil, "minLSTM")
    return try served(random, as: "vectors")
}

func generation(
    _ count: Int, temperature: Float = 1, seed: UInt64 = 5, topK: Int = 0, topP: Float = 1, stop: [String] = []
) -> Generation {
    Generation(maximumTokens: count, temperature: temperature, topK: topK, topP: topP, seed: seed, stop: stop)
}

/// One sequence that is stepped alone, one input at a time: what every answer must be equal to.
final class Alone {
    let served: ServedModel
    private let workspace: Workspace
    private(set) var step = 0

    init(_ served: ServedModel) {
        self.served = served
        workspace = Workspace(served.model, rows: 1, sequences: 1)
        workspace.reset(0)
    }

    var state: [UInt32] { workspace.states.values(0).map(\.bitPattern) }
    /// The output that the state stands at.
    private(set) var output: [Float] = []

    func absorb(_ token: Int) { absorb { workspace.append(token: token, to: 0) } }
    func absorb(_ vector: [Float]) { absorb { workspace.append(vector: vector, to: 0) } }

    private func absorb(_ append: () -> Void) {
        workspace.clear()
        append()
        served.model.advance(workspace)
        served.model.outputs(workspace, rows: [0])
        output = workspace.outputs.values(0)
        step += 1
    }

    /// The outputs after each step of `input`.
    func absorb(_ input: InputSequence) -> [[Float]] {
        (0..<input.count).map { index in
            switch input {
            case .tokens(let tokens): absorb(tokens[index])
            case .vectors(let values, let count):
                let size = values.count / count
                absorb(Array(values[index * size..<(index + 1) * size]))
            }
            return output
        }
    }

    /// Samples and absorbs, as a generation does.
    func generate(_ generation: Generation) -> [Int] {
        let sampler = Sampler(
            temperature: generation.temperature, topK: generation.topK, topP: generation.topP, seed: generation.seed)
        return (0..<generation.maximumTokens).map { _ in
            let token = sampler.draw(output, step: step)
            absorb(token)
            return token
        }
    }
}

extension GenerationStream {
    /// Reads to the end: the events, and what ended them.
    func rest() async -> (events: [GenerationEvent], end: Result<Completion, InferenceError>) {
        var events: [GenerationEvent] = []
        while true {
            do throws(InferenceError) {
                switch try await next() {
                case .event(let event): events.append(event)
                case .finished(let completion): return (events, .success(completion))
                }
            } catch {
                return (events, .failure(error))
            }
        }
    }
}

extension Result where Failure == InferenceError {
    /// Why it failed; nil where it did not.
    var error: InferenceError? { if case .failure(let error) = self { error } else { nil } }
}
