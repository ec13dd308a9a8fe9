import Kernels
import Threading

/// A linear map of each row: y = W x + b.
struct ProductStage: Stage {
    let map: PackedMatrix

    var inputs: Int { map.inputs }
    var outputs: Int { map.outputs }
    var multiplyAdds: Int { map.inputs * map.outputs }
    var canAdd: Bool { true }

    func apply(_ place: StagePlace, _ workspace: Workspace, by member: borrowing Team.Member) {
        let (rows, scratch) = (workspace.batch.sequences.count, workspace.scratch[member.index])
        if place.adds {
            map.multiplyAdding(place.x, rows: rows, into: place.y, by: member, scratch)
        } else {
            map.multiply(place.x, rows: rows, into: place.y, by: member, scratch)
        }
    }
}
