import Threading

/// How many sessions there are, what they take, and what became of others so far.
public struct SessionStatistics: Sendable {
    public let inMemory: Int
    /// Those whose states are on disk only.
    public let onDisk: Int
    /// Bytes taken of the budget, and the budget.
    public let usedBytes: Int
    public let budget: Int
    /// Bytes of changes that wait to be written to disk.
    public let storeQueueBytes: Int
    /// How often a kept state of a prompt was looked for and found, or not found.
    public let prefixHits: Int
    public let prefixMisses: Int
    /// Sessions that have ended, by what became of them.
    public let ended: [SessionError.GoneReason: Int]
}

extension SessionTable {
    /// As things are.
    public var statistics: SessionStatistics {
        var (count, inMemory) = (0, 0)
        for shard in shards {
            shard.lock.withLock {
                shard.expire()
                count += shard.count
                inMemory += shard.inMemory
            }
        }
        return additions.withLock {
            SessionStatistics(
                inMemory: inMemory, onDisk: count - inMemory, usedBytes: accounts.usedBytes, budget: budget,
                storeQueueBytes: store?.queuedBytes ?? 0,
                prefixHits: prefixHits, prefixMisses: prefixMisses,
                ended: accounts.endings)
        }
    }

    /// For tests: how many alarms there are, and when they ring, on the steady clock.
    var alarmCount: Int { shards.reduce(0) { sum, shard in shard.lock.withLock { sum + shard.alarmCount } } }
    var alarmTimes: [Double] { shards.flatMap { shard in shard.lock.withLock { shard.alarmTimes } }.sorted() }
}
