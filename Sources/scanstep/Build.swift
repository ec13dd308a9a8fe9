import CBuild

/// What this program is: told by `--version`, and by the metric `scanstep_build_info`.
enum Build {
    static let version = "0.1.0"

    /// Names and values, of which an unknown one is empty.
    static let labels: KeyValuePairs<String, String> = [
        "version": version, "commit": unsafe String(cString: cbuild_commit()),
        "march": unsafe String(cString: cbuild_march()), "swift": compiler,
    ]

    private static var compiler: String {
        #if compiler(>=6.5)
            "6.5"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}
