// swift-tools-version: 6.2

import PackageDescription

/// Set by CI: a warning is an error there, and only there, so that a newer compiler does not break a stranger's build.
let isStrict = Context.environment["SCANSTEP_STRICT"] != nil

/// Set by `make soak`, for the fuzzers: then the package is its libraries and the executables that libFuzzer drives.
let isFuzzed = Context.environment["SCANSTEP_FUZZ"] != nil

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ] + (isStrict ? [.treatAllWarnings(as: .error)] : [])

/// Of tests that make others compute: to optimise them as well would take the compiler longer than all of them run.
let plainSettings: [SwiftSetting] = settings + [.unsafeFlags(["-Onone"])]

/// The x86-64 level that kernels are compiled for; start-up refuses a processor below the default.
let march = Context.environment["SCANSTEP_MARCH"] ?? "x86-64-v3"

/// What `scanstep_build_info` tells: the commit, where whoever builds names one, and the level.
let commit = Context.environment["SCANSTEP_COMMIT"].flatMap { $0.isEmpty ? nil : $0 }
#if arch(x86_64)
    let level = march
#else
    let level = "arm64"
#endif

/// Without a fused multiply-add at compile time every `addingProduct` is a call into libm per lane.
#if arch(x86_64)
    let kernelSettings: [SwiftSetting] = [
        .unsafeFlags(["-Xcc", "-march=\(march)"])
    ]
#else
    let kernelSettings: [SwiftSetting] = []
#endif

let package = Package(
    name: "scanstep",
    platforms: [.macOS(.v26)],
    products: [.executable(name: "scanstep", targets: ["scanstep"])],
    // Their own dependencies are in Tests/dependencies.txt, and a test compares.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    ],
    targets: [
        .target(name: "CLinux"),
        .target(
            name: "CBuild",
            cSettings: [.define("SCANSTEP_MARCH", to: "\"\(level)\"")]
                + (commit.map { [.define("SCANSTEP_COMMIT", to: "\"\($0)\"")] } ?? [])),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CTile"),
        .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),

        .target(name: "Threading", dependencies: ["CLinux"], swiftSettings: settings),
        .target(name: "Metrics", swiftSettings: settings),
        .target(name: "JSON", dependencies: ["CSimdJSON"], swiftSettings: settings),
        .target(
            name: "Kernels", dependencies: ["CLinux", "CTile", "Threading"], swiftSettings: settings + kernelSettings),
        .target(
            name: "Recurrent",
            dependencies: [
                "Kernels", "Threading", "JSON", "COpenSSL", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings),
        .target(
            name: "Sessions",
            dependencies: [
                "Recurrent", "Kernels", "Threading", "CLinux", "CSQLite",
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings),
        .target(
            name: "Inference",
            dependencies: [
                "Sessions", "Recurrent", "Kernels", "Threading", "Metrics",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings),
        .target(name: "EventLoop", dependencies: ["CLinux", "Threading"], swiftSettings: settings),
        .target(
            name: "HTTP", dependencies: ["EventLoop", "Threading", "COpenSSL", "CZlib"], swiftSettings: settings),
        .target(
            name: "API",
            dependencies: [
                "EventLoop", "HTTP", "Inference", "Sessions", "Recurrent", "Kernels", "JSON", "Metrics", "Threading",
            ],
            resources: [.embedInCode("openapi.yaml")], swiftSettings: settings),
        .executableTarget(
            name: "scanstep",
            dependencies: [
                "API", "EventLoop", "HTTP", "Inference", "Sessions", "Recurrent", "Kernels", "Threading", "JSON",
                "CLinux", "CBuild",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
                + (march == "x86-64-v3" ? [] : [.define("SCANSTEP_MARCH")])),

        .target(name: "TestSupport", dependencies: ["Recurrent", "Kernels"], path: "Tests/TestSupport"),
        .target(name: "CAllocations", path: "Tests/CAllocations"),
        .target(
            name: "CPowerCut", path: "Tests/CPowerCut", linkerSettings: [.linkedLibrary("sqlite3")]),
        .testTarget(name: "ThreadingTests", dependencies: ["Threading"], swiftSettings: plainSettings),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: plainSettings),
        .testTarget(name: "JSONTests", dependencies: ["JSON"], swiftSettings: settings),
        .testTarget(
            name: "KernelsTests", dependencies: ["Kernels", "Threading", "TestSupport"],
            swiftSettings: settings + kernelSettings),
        .testTarget(
            name: "RecurrentTests", dependencies: ["Recurrent", "Kernels", "Threading", "TestSupport"],
            swiftSettings: plainSettings),
        // Optimised: what it counts is allocated by its own loop as well.
        .testTarget(
            name: "AllocationTests",
            dependencies: ["Recurrent", "Kernels", "Threading", "CAllocations", "TestSupport"],
            swiftSettings: settings),
        .testTarget(name: "SessionsTests", dependencies: ["Sessions", "TestSupport"], swiftSettings: plainSettings),
        .testTarget(
            name: "InferenceTests", dependencies: ["Inference", "CPowerCut", "TestSupport"],
            swiftSettings: plainSettings),
        .testTarget(
            name: "EventLoopTests", dependencies: ["EventLoop", "CLinux", "Threading"], swiftSettings: plainSettings),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "EventLoop", "Threading"], swiftSettings: plainSettings),
        .testTarget(
            name: "APITests", dependencies: ["API", "EventLoop", "Recurrent", "TestSupport"],
            swiftSettings: plainSettings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["CCurl", "JSON", "Recurrent", "API", "HTTP", "EventLoop", "TestSupport", "scanstep"],
            swiftSettings: plainSettings),
    ]
)

if isFuzzed {
    // libFuzzer brings the `main` of a program.
    package.products = []
    package.targets.removeAll { $0.name == "scanstep" || $0.type == .test }
    package.targets.append(
        .target(name: "FuzzSupport", path: "Tests/Fuzz/Support", swiftSettings: settings))
    let fuzzers: [(name: String, dependencies: [Target.Dependency])] = [
        ("RequestHead", ["HTTP"]), ("ChunkedBody", ["HTTP"]), ("JSONText", ["JSON"]),
        ("RequestBody", ["API", "EventLoop", "HTTP", "Inference", "JSON", "Recurrent", "Sessions", "TestSupport"]),
        ("Checkpoint", ["Recurrent", "Kernels", "JSON"]), ("StateFile", ["Recurrent", "TestSupport"]),
    ]
    for (name, dependencies) in fuzzers {
        package.targets.append(
            .executableTarget(
                name: "Fuzz" + name, dependencies: dependencies + ["FuzzSupport"], path: "Tests/Fuzz/" + name,
                swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]))
    }
}
