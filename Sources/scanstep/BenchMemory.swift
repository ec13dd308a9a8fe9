import FoundationEssentials

/// The memory of this process that is in RAM, as Linux counts it (proc(5)).
enum BenchMemory {
    /// Begins a new peak. Where the kernel does not allow that, the old one stands.
    static func forgetPeak() {
        try? Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
    }

    /// The largest size since the peak was forgotten, in bytes; 0 where it cannot be read.
    static var peak: Int { size("VmHWM:") }

    /// The size now.
    static var now: Int { size("VmRSS:") }

    private static func size(_ name: String) -> Int {
        guard let status = FileManager.default.contents(atPath: "/proc/self/status") else { return 0 }
        let text = String(decoding: status, as: UTF8.self)
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return 0 }
        return (line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }
}
