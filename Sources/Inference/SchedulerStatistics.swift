import Metrics

/// What a scheduler has to do, and what it has done so far.
public struct SchedulerStatistics: Sendable {
    /// Works under way or waiting, and bytes of their inputs.
    public internal(set) var works = 0
    public internal(set) var inputBytes = 0
    /// Bytes that models compute in, at most: activations of batches, which all models share, and states of works that
    /// are under way. Models that rest have none.
    public internal(set) var workspaceBytes = 0
    /// Works that were refused because there were too many.
    public internal(set) var refused = 0
    /// Rows of batches: single steps and generated tokens, and inputs of long ones.
    public internal(set) var stepRows = 0
    public internal(set) var prefillRows = 0
    /// Inputs that needed not be absorbed, for the state after them was kept.
    public internal(set) var cachedSteps = 0
    public internal(set) var generatedTokens = 0
    /// Rows of each batch.
    public internal(set) var batchRows = Histogram(bounds: Histogram.powersOfTwo)
    /// Of each work, the time until it was begun, in seconds.
    public internal(set) var queueSeconds = Histogram(bounds: Histogram.seconds)

    mutating func note(_ batch: BatchSummary) {
        stepRows += batch.steps
        prefillRows += batch.prefill
        batchRows.record(Double(batch.steps + batch.prefill))
    }

    mutating func note(_ operation: Operation) {
        cachedSteps += operation.cachedSteps
        generatedTokens += operation.generator?.tokens.count ?? 0
        if let started = operation.started { queueSeconds.record(Double(started - operation.submitted) / 1e9) }
    }
}
