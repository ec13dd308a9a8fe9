import ArgumentParser
import FoundationEssentials
import Kernels

/// Which models are served, and how they compute.
struct ModelOptions: ParsableArguments {
    @Option(help: "Folder of models; each folder in it with a model.safetensors is one.")
    var models: String?

    @Option(help: "Whether clients may load and unload models of that folder: none or explicit (default: none).")
    var modelControl: String?

    @Option(help: "How weights are kept: f32, f16, int8, or auto for float16 where the file has it (default: auto).")
    var weights: String?

    @Option(help: "How time steps of long inputs are combined: exact or associative (default: exact).")
    var scan: String?

    @Option(help: "Threads that compute (default: one per core).")
    var threads: Int?

    @Option(
        help: """
            Computing that long inputs may add to a batch while somebody steps, as in 2ms or 10ms; ten times that when \
            nobody has for a second (default: 2ms).
            """)
    var maxTick: String?

    @Option(
        help: """
            The longest that work which is to be done already may delay new work, as in 100ms; what would wait longer is \
            refused with 503 at once, or none (default: 10s).
            """)
    var maxQueueTime: String?
}

/// The same, with defaults.
struct ModelSettings {
    let folder: String
    /// Whether clients may load and unload.
    let areControlled: Bool
    /// Nil for what the file suggests.
    let weights: WeightType?
    let scan: ScanMode
    let threads: Int
    let maxTick: Duration
    /// Nil for no bound.
    let maxQueueTime: Duration?

    /// Threads that may compute; one per core unless told.
    static let threads = 1...1024
    static var defaultThreads: Int { ProcessInfo.processInfo.activeProcessorCount }

    init(_ options: ModelOptions, _ reader: SettingReader) throws(ValidationError) {
        guard let models = reader.text(options.models, "models") else { throw ValidationError("--models is missing.") }
        folder = models
        areControlled =
            try reader.value(options.modelControl, "model-control", "none or explicit") {
                ["none": false, "explicit": true][$0]
            } ?? false
        weights =
            try reader.value(options.weights, "weights", WeightChoice.names, WeightChoice.init(argument:))?.type
        scan = try reader.value(options.scan, "scan", "exact or associative") { ScanMode(rawValue: $0) } ?? .exact
        threads = try reader.number(options.threads, "threads", Self.threads) ?? Self.defaultThreads
        let time = "a time such as 2ms"
        maxTick = try reader.value(options.maxTick, "max-tick", time, SettingReader.duration) ?? .milliseconds(2)
        let bound = try reader.bound(
            options.maxQueueTime, "max-queue-time", "a time such as 100ms", SettingReader.duration)
        maxQueueTime = (bound ?? .of(.seconds(10))).value
    }
}
