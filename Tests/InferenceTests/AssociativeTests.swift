import Kernels
import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Associative prefills")
struct AssociativeTests {
    private let tokens = (0..<1000).map { ($0 * 7 + $0 / 5) % 8 }

    /// Outputs and state after absorbing `tokens` in two works, the first of which ends within a block.
    private func absorb(
        _ harness: EngineHarness, _ scan: [ScanMode], among others: () -> Void = {}
    ) throws -> (outputs: [Float], state: [UInt32]) {
        var outputs: [Float] = []
        for (index, range) in [0..<417, 417..<1000].enumerated() {
            var work = Work(
                model: harness.models[0].id, target: index == 0 ? .create(id: "x") : .session("x"),
                input: .tokens(Array(tokens[range])))
            work.outputs = .all
            work.scan = scan[index]
            let operation = harness.submit(work)
            while operation.result == nil {
                others()
                harness.tick()
            }
            outputs += try operation.result!.get().outputs
        }
        return (outputs, try harness.state("x"))
    }

    @Test("have one answer, however their batches are cut", arguments: ["minGRU", "minLSTM"])
    func cuts(cell: String) throws {
        let model = try smallModel(cell: cell)
        let whole = try absorb(EngineHarness([model]), [.associative, .associative])
        for rows in [128, 192, 256] {
            var limits = Scheduler.Limits()
            (limits.batchRows, limits.threads) = (rows, rows / 64)
            let slow = EngineHarness([model], limits: limits) { 1_000_000 * Int64($0.prefill + $0.steps) }
            for _ in 0..<3 { slow.absorb(100_000) }
            let mixed = try absorb(slow, [.associative, .associative]) { slow.absorb(1) }
            #expect(mixed == whole)
            #expect(slow.batches.allSatisfy { $0.prefill <= 64 + 192 })
        }
    }

    @Test("are close to exact ones, and each work has the scan that it asks for", arguments: ["minGRU", "minLSTM"])
    func modes(cell: String) throws {
        let model = try smallModel(cell: cell)
        let exact = try absorb(EngineHarness([model]), [.exact, .exact])
        let alone = Alone(model)
        #expect(alone.absorb(.tokens(tokens)).flatMap { $0 } == exact.outputs && alone.state == exact.state)
        let both = try absorb(EngineHarness([model]), [.associative, .associative])
        let second = try absorb(EngineHarness([model]), [.exact, .associative])
        for associative in [both, second] {
            #expect(associative.state != exact.state)
            let largest = exact.outputs.map(abs).max()!
            let difference = zip(associative.outputs, exact.outputs).map { abs($0 - $1) }.max()!
            #expect(difference <= 1e-4 * largest)
        }
        #expect(second.outputs.prefix(417 * 8) == exact.outputs.prefix(417 * 8))
    }
}
