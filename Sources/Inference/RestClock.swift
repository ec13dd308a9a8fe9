/// When models that compute no more may give their memory back.
struct RestClock {
    /// Nanoseconds for which a model must have had nothing to do. What is taken anew after that costs microseconds;
    /// sessions that step more often than this never pay them.
    static let restTime: Int64 = 1_000_000_000

    /// When a model's last batch ended, of those that have had one since they rested, by the model's id.
    private var lastBatches: [String: Int64] = [:]
    /// No model may rest earlier.
    private(set) var earliest = Int64.max

    /// Takes note of the end of a model's batch.
    mutating func note(_ model: String, at end: Int64) {
        lastBatches[model] = end
        if earliest == .max { earliest = end + Self.restTime }
    }

    /// A model is served no more.
    mutating func remove(_ model: String) { lastBatches[model] = nil }

    /// The models that may rest from now on.
    /// - Parameter isBusy: whether a model has operations under way or waiting.
    mutating func resting(at now: Int64, isBusy: (String) -> Bool) -> [String] {
        earliest = .max
        var resting: [String] = []
        for (model, last) in lastBatches {
            let end = (isBusy(model) ? now : last) + Self.restTime
            if now < end { earliest = min(earliest, end) } else { resting.append(model) }
        }
        for model in resting { lastBatches[model] = nil }
        return resting
    }
}
