import CAllocations
import Kernels
import TestSupport
import Testing
import Threading

@testable import Recurrent

@Suite("A model steps a batch in the steady state without allocating")
struct AllocationTests {
    /// Reads how much each thread of a team has allocated.
    final class Meter: Teamwork {
        var counts: [Int]
        init(_ team: Team) { counts = Array(repeating: 0, count: team.count) }
        func work(as member: borrowing Team.Member) {
            for turn in 0..<member.count {
                if turn == member.index { counts[turn] = allocations_of_this_thread() }
                member.barrier()
            }
        }
    }

    @Test("neither the caller nor a member of its team", arguments: WeightType.allCases, [1, 3])
    func steady(type: WeightType, threads: Int) throws {
        var random = RandomModel()
        (random.kernel, random.pointwise, random.norm, random.innerWidth) = (4, true, "layer", 40)
        for cell in ["minGRU", "minLSTM"] {
            random.cell = cell
            let model = try random.load(weights: type).model
            let team = Team(threads: threads)
            let workspace = Workspace(model, rows: 13, sequences: 13, team: team)
            workspace.worthSharing = 0
            let meter = Meter(team)
            let rows = Array(0..<13)
            func step() {
                workspace.clear()
                for sequence in rows { workspace.append(token: sequence, to: sequence) }
                model.advance(workspace)
                model.outputs(workspace, rows: rows)
            }
            for sequence in rows { workspace.reset(sequence) }
            for _ in 0..<3 { step() }
            team.run(meter)
            let before = meter.counts
            for _ in 0..<100 { step() }
            team.run(meter)
            #expect(meter.counts == before)
        }
    }

    @Test("an allocation is seen") func counting() {
        let before = allocations_of_this_thread()
        withExtendedLifetime([Int](repeating: 1, count: before + 1000)) {}
        let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 64)
        unsafe block.storeBytes(of: 1, as: Int.self)
        #expect(allocations_of_this_thread() > before)
        unsafe block.deallocate()
    }
}
