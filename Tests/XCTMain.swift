import Testing

/// Runs the tests when SwiftPM, or whoever runs the bundle, says `--testing-library swift-testing`.
///
/// Without this file SwiftPM looks for XCTest classes in the index of every module, and writing that index is a quarter of
/// the time that a build takes. There are none: `swift test` also asks for them, and this does nothing then.
@main
struct Main {
    static func main() async {
        if CommandLine.arguments.contains("swift-testing") { await Testing.__swiftPMEntryPoint() as Never }
    }
}
