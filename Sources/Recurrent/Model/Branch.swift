import Kernels
import Threading

/// A norm, stages one after the other, and how what they make comes back to the residual stream.
struct Branch: Sendable {
    /// How the last stage's outputs y join the stream x.
    enum Join: Sendable {
        /// x ← x + y
        case add
        /// x ← y
        case replace
        /// x ← A x + y, where the stages change the width of the stream.
        case align(PackedMatrix)
        /// x ← x + σ(G x)·(y − x)
        case highway(PackedMatrix)

        var map: PackedMatrix? {
            switch self {
            case .add, .replace: nil
            case .align(let map), .highway(let map): map
            }
        }
    }

    /// The layer that it belongs to: state files name its tensors by it.
    let layer: Int
    let norm: Norm?
    /// At least one.
    let stages: [any Stage]
    let join: Join

    /// Values of the stream before it, and behind it.
    var inputs: Int { stages.first!.inputs }
    var outputs: Int { stages.last!.outputs }

    /// Whether the stream behind it lies elsewhere than the stream before it.
    var movesStream: Bool {
        switch join {
        case .add, .highway: false
        case .replace, .align: true
        }
    }

    /// Whether the last stage itself adds its outputs to the stream.
    var endsInStream: Bool {
        switch join {
        case .add, .align: stages.last!.canAdd
        case .replace: true
        case .highway: false
        }
    }

    /// Multiply-adds of one row.
    var multiplyAdds: Int {
        stages.reduce(join.map.map { $0.inputs * $0.outputs } ?? 0) { $0 + $1.multiplyAdds }
    }

    /// Sends the rows of the batch along the branch. Every member of a team calls it.
    func apply(_ place: BranchPlace, _ workspace: Workspace, by member: borrowing Team.Member) {
        let (rows, scratch) = (workspace.batch.sequences.count, workspace.scratch[member.index])
        if let norm { norm.apply(place.stream, rows: rows, into: place.normed!, by: member) }
        if case .align(let map) = join {
            map.multiply(place.stream, rows: rows, into: place.next, by: member, scratch)
        }
        for index in stages.indices { stages[index].apply(place.stages[index], workspace, by: member) }
        switch join {
        case .replace: break
        case .add, .align:
            guard !endsInStream else { return }
            place.next.add(place.stages.last!.y, rows: rows, by: member)
        case .highway(let map):
            let gate = place.gate!
            map.multiplySigmoid(place.stream, rows: rows, into: gate, by: member, scratch)
            place.stream.mix(place.stages.last!.y, gate: gate, rows: rows, by: member)
        }
    }
}

/// Where a branch finds the stream and leaves it.
struct BranchPlace {
    /// The stream before it.
    let stream: Matrix
    /// The stream behind it: the same matrix, but where the branch moves the stream.
    let next: Matrix
    /// Where the norm's outputs go; nil without one.
    let normed: Matrix?
    /// The gate of a highway connection.
    let gate: Matrix?
    let stages: [StagePlace]
}
