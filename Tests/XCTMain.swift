import Testing

/// Runs the tests when SwiftPM, or whoever runs the bundle, says `--testing-library swift-testing`.
///
/// Without this file SwiftPM looks for XCTest classes in the index of every module, and writing that index is a quarter of
/// the time that a build takes. There are none: `swift test --enable-swift-testing`, which asks for them as well, gets an
/// empty list.
@main
struct Main {
    static func main() async {
        if CommandLine.arguments.contains("swift-testing") { await Testing.__swiftPMEntryPoint() as Never }
        if CommandLine.arguments.contains("--dump-tests-json") { print(#"{"name": "All tests", "tests": []}"#) }
    }
}
