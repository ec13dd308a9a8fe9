/// How many sessions there are, by the size of their states.
struct SessionCensus {
    private(set) var count = 0
    /// By bytes of a state.
    private var counts: [Int: Int] = [:]

    /// Counts a session whose state has so many bytes, or takes it from the count.
    mutating func count(_ stateBytes: Int, _ sign: Int) {
        count += sign
        let left = counts[stateBytes, default: 0] + sign
        counts[stateBytes] = left == 0 ? nil : left
    }

    /// Bytes of the largest state of any session, of those that have no more than `limit`; 0 where there is none.
    func largest(upTo limit: Int) -> Int { counts.keys.lazy.filter { $0 <= limit }.max() ?? 0 }
}
