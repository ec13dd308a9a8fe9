/// What an operation has got from the store for its session: the memory has none of it, so that it is bounded by what
/// operations under way need.
public struct Fetched: Sendable {
    /// The session's state when all its inputs have been absorbed, for the table to place.
    public var restoration: Restoration?
    private var departures: Departures = 0
    private var checkpoints: [CheckpointName]?
    private var states: [String: FoundCheckpoint] = [:]
    private var replies: [String: StoredReply?] = [:]

    public init() {}

    /// Takes what a grant brings, and its memory.
    /// - Returns: a session whose inputs are to be absorbed before it is taken.
    public mutating func take(_ grant: Grant, _ reservation: Reservation) -> Restoration? {
        precondition(!reservation.isGranted, "a second grant beside one that has not come back")
        (reservation.bytes, reservation.session, reservation.isGranted) = (grant.bytes, grant.session, true)
        var restoration: Restoration?
        for content in grant.contents {
            switch content {
            case .restoration(let found): restoration = found
            case .checkpoints(let list, let departures):
                note(departures)
                checkpoints = list
            case .checkpoint(let name, let checkpoint, let departures):
                note(departures)
                states[name] = checkpoint
            case .reply(let key, let reply, let departures):
                note(departures)
                replies[key] = .some(reply)
            }
        }
        return restoration
    }

    private mutating func note(_ departures: Departures) {
        if departures != self.departures { (checkpoints, states, replies) = (nil, [:], [:]) }
        self.departures = departures
    }

    /// The checkpoints that only the database has.
    func checkpoints(of entry: SessionShard.Entry) throws(SessionError) -> [CheckpointName] {
        guard entry.hasStoredExtras else { return [] }
        guard departures == entry.departures, let checkpoints else { throw .extraOnDisk(.checkpoints) }
        let names = Set(entry.extras?.checkpoints.map(\.name) ?? [])
        return checkpoints.filter { !names.contains($0.name) }
    }

    /// A checkpoint that only the database has.
    func state(_ name: String, of entry: SessionShard.Entry) throws(SessionError) -> FoundCheckpoint {
        guard entry.hasStoredExtras else { return .none }
        guard departures == entry.departures, let state = states[name] else {
            throw .extraOnDisk(.checkpoint(name: name))
        }
        return state
    }

    /// The reply that only the database has under a key; nil where it has none.
    func reply(_ key: String, of entry: SessionShard.Entry) throws(SessionError) -> StoredReply? {
        guard entry.hasStoredExtras else { return nil }
        guard departures == entry.departures, let reply = replies[key] else { throw .extraOnDisk(.reply(key: key)) }
        return reply
    }
}
