import Kernels
import Recurrent
import Threading

/// Something whose speed is measured.
protocol BenchWork: AnyObject {
    /// `prefill`, `step` or `scan`.
    var kind: String { get }
    var size: BenchSize { get }
    var scan: ScanMode { get }
    /// Of a scan alone.
    var channels: Int? { get }
    /// Multiply-adds of one run's products; nil where they are not what is measured.
    var multiplyAdds: Int? { get }

    /// Does a beginning of a run, to warm caches, and names its share of a whole one.
    func begin() -> Double
    func run()
}

/// Absorbs sequences from their first step on and computes the outputs after every step.
final class BenchPrefill: BenchWork {
    let kind = "prefill"
    let size: BenchSize
    let scan: ScanMode
    let channels: Int? = nil
    var multiplyAdds: Int? { model.multiplyAdds * size.sequences * size.steps }
    private let model: RecurrentModel
    private let workspace: Workspace
    private let input: BenchInput

    init(_ size: BenchSize, _ model: RecurrentModel, rows: Int, _ team: Team) {
        (self.size, self.model, scan) = (size, model, model.scan)
        workspace = Workspace(model, rows: rows, sequences: size.sequences, team: team)
        input = BenchInput(model)
    }

    func begin() -> Double {
        let beginning = min(size.steps, max(Batch.scanBlock, 2 * workspace.capacity / size.sequences))
        absorb(steps: beginning)
        return Double(beginning) / Double(size.steps)
    }

    func run() { absorb(steps: size.steps) }

    private func absorb(steps: Int) {
        for sequence in 0..<size.sequences { workspace.reset(sequence) }
        var cursor = BenchCursor(BenchSize(size.sequences, steps), rows: workspace.capacity, scan: scan)
        workspace.clear()
        while cursor.next({ sequence, steps in
            for step in steps { input.append(sequence, step, to: workspace) }
            if scan == .associative { workspace.useAssociativeScan(firstStep: steps.lowerBound) }
        }) {
            model.advance(workspace)
            model.outputs(workspace, rows: Array(0..<workspace.batch.sequences.count))
            workspace.clear()
        }
    }
}

/// Moves sessions by one step each, as one batch, and computes their outputs.
final class BenchStep: BenchWork {
    let kind = "step"
    let size: BenchSize
    let scan: ScanMode
    let channels: Int? = nil
    var multiplyAdds: Int? { model.multiplyAdds * size.sequences }
    private let model: RecurrentModel
    private let workspace: Workspace
    private let input: BenchInput
    private let rows: [Int]
    private var step = 0

    init(sessions: Int, _ model: RecurrentModel, _ team: Team) {
        (size, self.model) = (BenchSize(sessions, 1), model)
        // One step is the same by either scan.
        scan = model.scan == .associative ? .exact : model.scan
        workspace = Workspace(model, rows: sessions, sequences: sessions, team: team)
        input = BenchInput(model)
        rows = Array(0..<sessions)
        for session in rows { workspace.reset(session) }
    }

    func begin() -> Double {
        run()
        return 1
    }

    func run() {
        workspace.clear()
        for session in rows { input.append(session, step, to: workspace) }
        model.advance(workspace)
        model.outputs(workspace, rows: rows)
        step += 1
    }
}

/// Inputs that depend on sequence and step alone, so that a long one needs no memory.
struct BenchInput {
    private let vocabularySize: Int?
    /// Of which a vector model's inputs are cut.
    private let values: [Float]
    private let inputSize: Int

    init(_ model: RecurrentModel) {
        inputSize = model.configuration.inputSize
        var random = BenchRandom(seed: 2)
        if case .tokens(let size) = model.configuration.input {
            (vocabularySize, values) = (size, [])
        } else {
            vocabularySize = nil
            values = (0..<inputSize + 64).map { _ in Float.random(in: -1...1, using: &random) }
        }
    }

    func append(_ sequence: Int, _ step: Int, to workspace: Workspace) {
        let mixed = (step &* 40_503 &+ sequence &* 30_011) >> 3 & 0xFFFF
        if let vocabularySize {
            workspace.append(token: mixed % vocabularySize, to: sequence)
        } else {
            workspace.append(vector: values, mixed % 64..<mixed % 64 + inputSize, to: sequence)
        }
    }
}
