import ArgumentParser

/// The command line: wiring only.
@main
struct Scanstep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scanstep",
        abstract: "Serves minimal recurrent networks (minGRU, minLSTM) over HTTP.",
        version: "0.1.0",
        subcommands: [Serve.self, Keys.self, Bench.self])
}
