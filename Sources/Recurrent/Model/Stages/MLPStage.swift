import Kernels
import Threading

/// down(GELU(up x)), or down(GELU(gate x) · up x) where there is a gate.
struct MLPStage: Stage {
    let up: PackedMatrix
    let gate: PackedMatrix?
    let down: PackedMatrix

    var inputs: Int { up.inputs }
    var outputs: Int { down.outputs }
    var workColumns: [Int] { [up.outputs] }
    var multiplyAdds: Int { [up, gate, down].reduce(0) { $0 + ($1.map { $0.inputs * $0.outputs } ?? 0) } }
    var canAdd: Bool { true }

    func apply(_ place: StagePlace, _ workspace: Workspace, by member: borrowing Team.Member) {
        let (rows, scratch) = (workspace.batch.sequences.count, workspace.scratch[member.index])
        let hidden = place.work[0]
        if let gate {
            gate.multiplyGELU(place.x, rows: rows, into: hidden, by: member, scratch)
            up.multiplyScaling(place.x, rows: rows, into: hidden, by: member, scratch)
        } else {
            up.multiplyGELU(place.x, rows: rows, into: hidden, by: member, scratch)
        }
        if place.adds {
            down.multiplyAdding(hidden, rows: rows, into: place.y, by: member, scratch)
        } else {
            down.multiply(hidden, rows: rows, into: place.y, by: member, scratch)
        }
    }
}
