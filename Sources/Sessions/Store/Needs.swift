/// What an operation cannot go on without.
///
/// An operation asks for all of it at once and holds none of it while it waits, so no two operations can each wait for
/// what the other holds.
public struct Needs: Sendable {
    /// Whether the state of its session is to be in the memory.
    var state = false
    /// Bytes of memory beside that, where the session is not to move.
    var room = 0
    /// Where the session is to move: bytes of the reply that it then keeps.
    var move: Int?
    /// What the session has beside its state.
    var extras: [StoredExtra] = []

    /// Nothing yet.
    public init() {}

    /// The same, and what it takes to move the session.
    /// - Parameter reply: bytes of the reply that the session then keeps; 0 for none.
    public func moving(keeping reply: Int) -> Needs {
        var needs = self
        (needs.state, needs.move) = (true, reply)
        return needs
    }

    /// Adds that for want of which the table has refused the operation: `onDisk`, `extraOnDisk` or `makingRoom`.
    /// - Parameter hasSession: whether the operation has found its session.
    public mutating func add(_ error: SessionError, hasSession: Bool) {
        switch error {
        case .makingRoom(let bytes): room = max(room, bytes)
        case .extraOnDisk(let extra): if !extras.contains(extra) { extras.append(extra) }
        default: state = true
        }
        if hasSession || !extras.isEmpty { state = true }
    }
}
