import API
import ArgumentParser

/// `scanstep keys`
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Manage the file of API keys.", subcommands: [Add.self])

    /// `scanstep keys add`
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a key to a file, and print it, once.",
            discussion: """
                The file holds the key's name and its SHA-256, not the key. Limits may be written into it by hand: \
                requests_per_second, sessions, session_bytes and models, an array of names. A running server reads it \
                again on SIGHUP.
                """)

        @Argument(help: "Whose key it is; their sessions are known by this name.")
        var name: String

        @Option(help: "The file, which is made if it is not there.")
        var apiKeys: String

        func run() throws {
            do throws(KeyFile.Failure) {
                print(try KeyFile.add(name, to: apiKeys))
            } catch {
                throw Failure("cannot add to \(apiKeys): \(error)")
            }
        }
    }
}
