import ArgumentParser

/// The command line: wiring only.
@main
struct Scanstep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scanstep",
        abstract: "Serves recurrent networks (minGRU, minLSTM, GRU, LSTM, RNN, ParaGRU, ParaLSTM) over HTTP.",
        version: Build.version,
        subcommands: [Serve.self, Keys.self, Bench.self])
}
