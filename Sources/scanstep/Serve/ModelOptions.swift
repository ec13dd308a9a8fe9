import ArgumentParser
import FoundationEssentials
import Kernels

/// Which models are served, and how they compute.
struct ModelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The folder of models: each folder in it with a model.safetensors is a model of that folder's name. \
            It must be given.
            """, valueName: "folder"))
    var models: String?

    @Option(
        help: ArgumentHelp(
            """
            Whether clients may load and unload models of that folder by /v2/repository: none or explicit \
            (default: none).
            """, valueName: "none|explicit"))
    var modelControl: String?

    @Option(
        help: ArgumentHelp(
            """
            How weights are kept in memory: f32, f16, int8, or auto for float16 where the file has it and \
            float32 elsewhere. Smaller weights make steps faster and answers a little different; sessions on \
            disk belong to the choice that made them (default: auto).
            """, valueName: "type"))
    var weights: String?

    @Option(
        help: ArgumentHelp(
            """
            How a long input is absorbed where the request has no "scan": exact, in order, with the same bytes \
            as single steps; or associative, in blocks side by side, whose answers differ in the last digits. \
            GRU, LSTM and other cells whose gates see the state know one scan, whatever this says. Sessions on disk belong to the choice that made them (default: exact).
            """, valueName: "mode"))
    var scan: String?

    @Option(
        help: ArgumentHelp(
            """
            Threads that compute; answers do not depend on it. Fewer leave cores to other programs (default: one \
            per core).
            """, valueName: "count"))
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            """
            How much computing time long inputs may add to one batch while somebody sends single steps; a step \
            waits for the batch before it, so less makes steps quicker and long inputs slower. When nobody has \
            stepped for a second, ten times that (default: 2ms).
            """, valueName: "time"))
    var maxTick: String?

    @Option(
        help: ArgumentHelp(
            """
            How long new work may have to wait for the work before it, by an estimate; work that would wait \
            longer is refused at once with 503 and Retry-After. Less keeps waiting times short under overload, \
            more refuses less; none never refuses (default: 10s).
            """, valueName: "time"))
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
        guard let models = try reader.path(options.models, "models") else {
            throw ValidationError("--models is missing.")
        }
        folder = models
        areControlled =
            try reader.value(options.modelControl, "model-control", "none or explicit") {
                ["none": false, "explicit": true][$0]
            } ?? false
        weights =
            try reader.value(options.weights, "weights", WeightChoice.names, WeightChoice.init(argument:))?.type
        scan = try reader.value(options.scan, "scan", "exact or associative") { ScanMode(choice: $0) } ?? .exact
        threads = try reader.number(options.threads, "threads", Self.threads) ?? Self.defaultThreads
        let time = SettingReader.times(like: "2ms")
        maxTick =
            try reader.value(
                options.maxTick, "max-tick", time, largest: SettingReader.largestDuration, SettingReader.duration)
            ?? .milliseconds(2)
        let bound = try reader.bound(
            options.maxQueueTime, "max-queue-time", SettingReader.times(like: "100ms"),
            largest: SettingReader.largestDuration, SettingReader.duration)
        maxQueueTime = (bound ?? .of(.seconds(10))).value
    }
}
