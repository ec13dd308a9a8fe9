import Inference
import JSON
import Threading

/// What the Open Inference Protocol's routes have done with each model since the start. Counted under the lock: so
/// `@unchecked Sendable`.
final class InferStatistics: @unchecked Sendable {
    private struct Count {
        var (times, nanoseconds) = (0, 0)

        mutating func add(_ duration: Duration) {
            times += 1
            nanoseconds += Int(duration / .nanoseconds(1))
        }
    }

    private struct Model {
        /// Milliseconds since 1970.
        var last = 0
        var (inferences, executions) = (0, 0)
        var (success, failure, queue, compute) = (Count(), Count(), Count(), Count())
    }

    private let lock = Lock()
    private var models: [String: Model] = [:]

    func note(_ id: String, _ completions: [Completion], took: Duration, at seconds: Double) {
        lock.withLock {
            var model = models[id] ?? Model()
            model.last = Int(seconds * 1000)
            model.inferences += completions.count
            model.executions += 1
            model.success.add(took)
            model.queue.add(completions.map(\.queued).max() ?? .zero)
            model.compute.add(completions.map(\.computed).max() ?? .zero)
            models[id] = model
        }
    }

    func noteFailure(_ id: String, took: Duration) {
        lock.withLock { models[id, default: Model()].failure.add(took) }
    }

    /// Writes what Triton calls a model's statistics.
    func write(_ served: ServedModel, to json: inout JSONWriter) {
        let model = lock.withLock { models[served.id] ?? Model() }
        json.beginObject()
        json.field("name", served.id)
        json.field("version", served.version)
        json.field("last_inference", model.last)
        json.field("inference_count", model.inferences)
        json.field("execution_count", model.executions)
        json.key("inference_stats")
        json.beginObject()
        for (name, count) in [
            ("success", model.success), ("fail", model.failure), ("queue", model.queue), ("compute_input", Count()),
            ("compute_infer", model.compute), ("compute_output", Count()), ("cache_hit", Count()),
            ("cache_miss", Count()),
        ] {
            json.key(name)
            json.beginObject()
            json.field("count", count.times)
            json.field("ns", count.nanoseconds)
            json.endObject()
        }
        json.endObject()
        json.key("batch_stats")
        json.beginArray()
        json.endArray()
        json.endObject()
    }
}
