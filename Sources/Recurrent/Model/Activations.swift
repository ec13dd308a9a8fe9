import Kernels
import Threading

/// The memory that batches are computed in, one batch at a time, whatever their models: what lies between the inputs of
/// a batch and its outputs.
///
/// It has address space for the largest workspace that shares it. Of that, pages take memory that batches have written
/// to, at most the largest batch of each model and all of the address space, until `giveBack`. One thread uses it, with
/// a team or alone.
public final class Activations {
    let team: Team?
    /// One for each member of the team.
    let scratch: [Scratch]
    private(set) var memory: MatrixMemory?
    /// What this memory and the states of all workspaces that share it take at most, in bytes.
    public var heldBytes: Int { min(activationBytes, memory?.bytes ?? 0) + stateBytes }
    private var activationBytes = 0
    private var stateBytes = 0
    /// Raised by `giveBack`.
    private(set) var epoch = 0

    public init(team: Team? = nil) {
        self.team = team
        scratch = (0..<(team?.count ?? 1)).map { _ in Scratch() }
    }

    /// Makes room for workspaces that need so much. What others have in memory that was smaller they leave with their
    /// next batch.
    func reserve(_ bytes: Int) -> MatrixMemory {
        if let memory, memory.bytes >= bytes { return memory }
        giveBack()
        let larger = MatrixMemory(bytes: bytes, isSparse: false)
        memory = larger
        return larger
    }

    func note(activations bytes: Int) { activationBytes += bytes }

    func note(states bytes: Int) { stateBytes += bytes }

    /// Gives all pages of activations back to the system. Not while a batch is being made or read.
    public func giveBack() {
        guard activationBytes > 0 else { return }
        memory?.giveBack()
        activationBytes = 0
        epoch += 1
    }
}
