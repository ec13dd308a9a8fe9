import API
import ArgumentParser

/// `scanstep keys`
struct Keys: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Manage a file of API keys.", subcommands: [Add.self])

    /// `scanstep keys add`
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a key, add it to a file, and print it. It cannot be printed again.",
            discussion: """
                The file holds the key's name and its SHA-256, not the key. Limits may be written into it by hand: \
                requests_per_second, sessions, session_bytes and models, an array of names. A running server reads it \
                again on SIGHUP.
                """)

        @Argument(help: "The name of who is to use the key: sessions belong to it, and the access log shows it.")
        var name: String

        @Option(help: ArgumentHelp("The file of keys; it is made if it is missing.", valueName: "file"))
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
