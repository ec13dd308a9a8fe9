import ArgumentParser
import FoundationEssentials
import Kernels
import Recurrent
import Threading

/// `scanstep bench`
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure prefill and step throughput in this process, without a server.",
        discussion: """
            The model is a folder with a model.safetensors, or a made-up shape with random weights:

              scanstep bench Models/shakespeare-mingru
              scanstep bench --shape cell=minGRU,layers=6,width=384,inner=576,mlp=1536,vocabulary=256
              scanstep bench --shape cell=LSTM,layers=3,width=384

            Works take turns, run after run, and compute the outputs of every row. Before and after each run a loop of \
            fused multiply-adds on registers alone shows what the processor could do at that moment.
            """)

    @Argument(help: "The folder of a model, with its model.safetensors.")
    var model: String?

    @Option(
        help: "A made-up model instead of a folder: some of \(BenchShape.fields), as in the example above.",
        transform: BenchShape.init(argument:))
    var shape: BenchShape?

    @Option(help: "Threads that compute (default: one per core).")
    var threads: Int?

    @Option(help: "How weights are kept in memory: \(WeightChoice.names).")
    var weights = WeightChoice.auto

    @Option(help: "How long inputs are absorbed: exact, in order, or associative, in blocks side by side.")
    var scan = ScanMode.exact

    @Option(help: "Prefills to measure, as in 8x512 for 8 sequences of 512 steps, separated by commas, or none.")
    var prefill = CommaList([BenchSize(1, 2048), BenchSize(8, 512), BenchSize(32, 256)])

    @Option(help: "Numbers of sessions that are stepped at once, separated by commas, or none.")
    var step = CommaList([1, 64, 512])

    @Flag(help: "Measure the scan of one minGRU layer alone instead of a model, exact against associative.")
    var scanOnly = false

    @Option(help: "Scans that --scan-only measures, sequences x steps each, separated by commas.")
    var scans = CommaList([1, 16].flatMap { n in [256, 1024, 4096, 16_384, 65_536].map { BenchSize(n, $0) } })

    @Option(help: "Numbers of channels that --scan-only measures, separated by commas.")
    var channels = CommaList([64, 1024])

    @Option(help: "The most rows of a batch of a prefill.")
    var rows = 192

    @Option(help: "How often each work is measured.")
    var runs = 5

    @Option(help: "Seconds after which a work is not run again.")
    var seconds = 30.0

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func validate() throws {
        let most = ModelSettings.threads.upperBound
        guard ModelSettings.threads.contains(threads ?? 1) else {
            throw ValidationError("--threads must be from 1 to \(most).")
        }
        guard (1...1_000_000).contains(runs) else { throw ValidationError("--runs must be from 1 to 1000000.") }
        guard seconds > 0, seconds <= 1e6 else {
            throw ValidationError("--seconds must be above 0, and 1000000 at most.")
        }
        guard (Batch.scanBlock...65_536).contains(rows) else {
            throw ValidationError("--rows must be from \(Batch.scanBlock) to 65536.")
        }
        guard (step.elements + channels.elements).allSatisfy((1...65_536).contains) else {
            throw ValidationError("--step and --channels must be from 1 to 65536.")
        }
        guard [model != nil, shape != nil, scanOnly].filter(\.self).count == 1 else {
            throw ValidationError("Give the folder of a model, a --shape or --scan-only.")
        }
    }

    func run() throws {
        try requireProcessor()
        let team = Team(threads: threads ?? ModelSettings.defaultThreads)
        let model = try scanOnly ? nil : load()
        let residentLoaded = BenchMemory.now
        let works = if let model { try works(model, team) } else { scans(team) }
        guard !works.isEmpty else { throw Failure("nothing to measure") }
        var timer = BenchTimer(team: team, runs: runs, limit: .seconds(seconds))
        let results = timer.measure(works)
        let report = BenchReport(
            threads: team.count, rows: rows, model: model.map { (name, $0) }, residentLoaded: residentLoaded,
            peaks: timer.peaks, results: results)
        print(json ? report.json : report.table)
    }

    private func works(_ model: RecurrentModel, _ team: Team) throws -> [any BenchWork] {
        if model.scan != .associative, !BenchAgreement.holds(model, rows: rows, team) {
            throw Failure("steps and a prefill of the same inputs gave different bytes")
        }
        return prefill.elements.map { BenchPrefill($0, model, rows: rows, team) }
            + step.elements.map { BenchStep(sessions: $0, model, team) }
    }

    private func scans(_ team: Team) -> [any BenchWork] {
        var works: [any BenchWork] = []
        for channels in channels.elements {
            for size in scans.elements {
                for scan in ScanMode.choices {
                    works.append(BenchScan(size, channels: channels, rows: rows, scan: scan, team))
                }
            }
        }
        return works
    }

    private func load() throws -> RecurrentModel {
        if let shape { return try shape.load(weights: weights.type, scan: scan) }
        do throws(CheckpointError) {
            return try ModelFolder(path: model!, weights: weights.type, scan: scan).model
        } catch {
            throw Failure("\(error)")
        }
    }

    private var name: String { model ?? "made-up shape" }
}
