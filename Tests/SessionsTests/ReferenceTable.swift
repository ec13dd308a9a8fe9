@testable import Sessions

/// The contract of the session table in the plainest form: arrays that are searched from end to end.
struct ReferenceTable {
    struct Session: Equatable {
        var id: String
        var model: String
        var step: Int
        var serial: UInt64
        var createdAt: Double
        var lastUsedAt: Double
        var state: [UInt32]
        var policy = SessionPolicy()

        var expiresAt: Double { min(lastUsedAt + policy.idle, createdAt + policy.total) }
    }

    struct Burial {
        var id: String
        var error: SessionError
        var serial: UInt64
        var isForgotten = false
    }

    let budget: Int
    let tombstones: Int
    /// In order of creation.
    private(set) var sessions: [Session] = []
    /// Ids, the least recently used first.
    private var uses: [String] = []
    private var burials: [Burial] = []

    init(budget: Int, tombstones: Int) { (self.budget, self.tombstones) = (budget, tombstones) }

    /// By serial: whose copy of the state a session reads, its own or the one it was forked with.
    private var copies: [UInt64: Int] = [:]
    private var nextCopy = 0

    private var used: Int {
        let sizes = Dictionary(sessions.map { (copies[$0.serial]!, 4 * $0.state.count) }) { size, _ in size }
        return sizes.values.reduce(sessions.count * SessionTable.overheadBytes, +)
    }

    private func isShared(_ serial: UInt64) -> Bool {
        sessions.count { copies[$0.serial] == copies[serial] } > 1
    }

    private func index(_ id: String) throws(SessionError) -> Int {
        if let index = sessions.firstIndex(where: { $0.id == id }) { return index }
        if let burial = burials.last(where: { $0.id == id && !$0.isForgotten }) { throw burial.error }
        throw .unknown(id: id)
    }

    private mutating func bury(_ id: String, _ reason: SessionError.GoneReason) {
        let session = sessions.remove(at: sessions.firstIndex { $0.id == id }!)
        uses.removeAll { $0 == id }
        let error = SessionError.gone(id: id, reason: reason, lastStep: session.step)
        burials.append(Burial(id: id, error: error, serial: session.serial))
        if burials.count > tombstones { burials.removeFirst() }
    }

    /// What a table does first, whatever it is asked.
    mutating func expire(at now: Double) {
        let ended = sessions.filter { $0.expiresAt <= now }.sorted {
            ($0.expiresAt, $0.serial) < ($1.expiresAt, $1.serial)
        }
        for session in ended { bury(session.id, .expired) }
    }

    mutating func create(_ session: Session) throws(SessionError) {
        if sessions.contains(where: { $0.id == session.id }) { throw .exists(id: session.id) }
        let cost = 4 * session.state.count + SessionTable.overheadBytes
        if cost > budget { throw .storeFull(needed: cost, budget: budget) }
        while used + cost > budget { bury(uses[0], .evicted) }
        nextCopy += 1
        insert(session, copy: nextCopy)
    }

    private mutating func insert(_ session: Session, copy: Int) {
        for at in burials.indices where burials[at].id == session.id { burials[at].isForgotten = true }
        sessions.append(session)
        uses.append(session.id)
        copies[session.serial] = copy
    }

    /// What of its name, serial and times the children have comes from the table.
    mutating func fork(_ id: String, serial: UInt64, into ids: [String?], children: [Session]) throws(SessionError) {
        let parent = sessions[try index(id, serial)]
        for (at, id) in ids.enumerated() where id != nil {
            if sessions.contains(where: { $0.id == id }) || ids[..<at].contains(id) { throw .exists(id: id!) }
        }
        let cost = ids.count * SessionTable.overheadBytes
        let least = cost + 4 * parent.state.count + SessionTable.overheadBytes
        if least > budget { throw .storeFull(needed: least, budget: budget) }
        use(id)
        while used + cost > budget { bury(uses[0], .evicted) }
        for child in children { insert(child, copy: copies[serial]!) }
    }

    private func index(_ id: String, _ serial: UInt64) throws(SessionError) -> Int {
        if let at = sessions.firstIndex(where: { $0.id == id && $0.serial == serial }) { return at }
        throw burials.last { $0.id == id && $0.serial == serial }?.error ?? .unknown(id: id)
    }

    mutating func delete(_ id: String) throws(SessionError) {
        _ = try index(id)
        bury(id, .deleted)
    }

    func record(_ id: String) throws(SessionError) -> Session { sessions[try index(id)] }

    mutating func used(_ id: String, at now: Double) {
        for at in sessions.indices where sessions[at].id == id { sessions[at].lastUsedAt = now }
    }

    private mutating func use(_ id: String) {
        uses.removeAll { $0 == id }
        uses.append(id)
    }

    mutating func load(_ id: String, model: String, now: Double) throws(SessionError) -> Session {
        let at = try index(id)
        if sessions[at].model != model { throw .otherModel(id: id, model: sessions[at].model) }
        sessions[at].lastUsedAt = now
        use(id)
        return sessions[at]
    }

    mutating func save(
        _ id: String, serial: UInt64, step: Int, state: [UInt32], now: Double
    ) throws(SessionError) -> Session {
        _ = try index(id, serial)
        use(id)
        while isShared(serial), used + 4 * state.count > budget { bury(uses[0], .evicted) }
        if isShared(serial) {
            nextCopy += 1
            copies[serial] = nextCopy
        }
        let at = try index(id, serial)
        (sessions[at].step, sessions[at].state, sessions[at].lastUsedAt) = (step, state, now)
        return sessions[at]
    }

    func list(limit: Int, after: String?) throws(SessionError) -> (sessions: [Session], more: Bool) {
        var rest = sessions
        if let after {
            if let session = sessions.first(where: { $0.id == after }) {
                rest = sessions.filter { $0.serial > session.serial }
            } else if let burial = burials.last(where: { $0.id == after && !$0.isForgotten }) {
                rest = sessions.filter { $0.serial > burial.serial }
            } else {
                throw .unknown(id: after)
            }
        }
        return (Array(rest.prefix(limit)), rest.count > limit)
    }
}
