/// How much of the memory names may take.
///
/// With a store a session that has left the memory still takes `overheadBytes` of it, which come back only when it ends.
/// If names filled the memory, no state could be fetched any more. So sessions are made only as long as there is room,
/// beside all names, for the largest operation on any one session.
extension SessionTable {
    /// Bytes that the largest operation on one session takes beside its name: its state, another one where the session
    /// keeps the state that it leaves or is rewound to a checkpoint on disk, and the reply that it keeps.
    private func workRoom(_ stateBytes: Int) -> Int {
        2 * stateBytes + Self.checkpointBytes + min(StoredReply.mostBytes, max(Self.smallReply, budget / 16))
    }

    /// Bytes that names may take beside states of so many bytes: half of a small memory, if a state then fits.
    private func nameRoom(beside stateBytes: Int) -> Int {
        let half = min(max(budget / 2, Self.overheadBytes), budget - stateBytes)
        return max(budget - workRoom(stateBytes), half)
    }

    /// Refuses sessions whose names would leave too little room to work on one. Under `additions`.
    /// - Parameters:
    ///   - count: sessions that are added; 0 for one that takes the place of another.
    ///   - stateBytes: of each.
    func requireNameRoom(for count: Int, stateBytes: Int) throws(SessionError) {
        guard store != nil else { return }
        let (names, largest) = accounts.census(upTo: budget - Self.overheadBytes)
        if count == 0, stateBytes <= largest { return }
        let room = nameRoom(beside: max(largest, stateBytes))
        guard (names + count) * Self.overheadBytes <= room else {
            throw .namesFull(sessions: names, room: room, budget: budget)
        }
    }

    /// What an operator should know where the sessions that the database had at the start leave too little room to work
    /// on one; nil where they leave enough.
    var nameNotice: String? {
        let (names, largest) = accounts.census(upTo: budget - Self.overheadBytes)
        let (bytes, room) = (names * Self.overheadBytes, nameRoom(beside: largest))
        guard bytes > room else { return nil }
        return "the names of \(names) stored sessions take \(bytes) bytes of the \(budget) of --session-memory, where "
            + "\(room) would leave room to work on any of them: until sessions are deleted or have expired, or the "
            + "memory is larger, none is made, and requests on those there are may be refused with 507"
    }
}
