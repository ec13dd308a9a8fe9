import ArgumentParser

/// What `serve` was told, by options over environment variables over defaults.
struct Settings {
    let models: ModelSettings
    let sessions: SessionSettings
    let network: NetworkSettings
    let limits: LimitSettings
    let logs: LogSettings
    /// Environment variables that look like settings and are none, sorted.
    let unknownVariables: [String]

    init(_ options: Serve) throws(ValidationError) {
        let reader = SettingReader()
        models = try ModelSettings(options.models, reader)
        sessions = try SessionSettings(options.sessions, reader)
        network = try NetworkSettings(options.network, reader)
        limits = try LimitSettings(options.limits, reader)
        logs = try LogSettings(options.logs, reader)
        unknownVariables = reader.unknownVariables
    }
}
