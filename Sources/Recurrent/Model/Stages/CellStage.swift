import Kernels
import Threading

/// A recurrent cell of any family.
struct CellStage: Stage {
    let kernel: any CellKernel
    let states: [StateTensor]

    /// - Parameter states: tensors of as many values as the kernel keeps, in its order.
    init(_ kernel: any CellKernel, states: [StateTensor]) {
        precondition(kernel.stateSizes == states.map(\.count), "\(states.map(\.count)) for \(kernel.stateSizes)")
        (self.kernel, self.states) = (kernel, states)
    }

    var inputs: Int { kernel.inputs }
    var outputs: Int { kernel.outputs }
    var workColumns: [Int] { kernel.workColumns }
    var multiplyAdds: Int { kernel.multiplyAdds }
    var scans: [ScanMode] { kernel.scans }

    func prepare(_ batch: inout Batch, members: Int) { kernel.prepare(&batch, members: members) }

    func apply(_ place: StagePlace, _ workspace: Workspace, by member: borrowing Team.Member) {
        kernel.apply(
            place.x, workspace.batch, states: workspace.states, at: place.offset, into: place.y, work: place.work,
            by: member, workspace.scratch[member.index])
    }
}
