import Glibc

/// A bar on standard error, where that is a terminal.
struct BenchProgress {
    private static let width = 24

    let total: Int
    private let isVisible = isatty(STDERR_FILENO) == 1

    init(total: Int) { self.total = total }

    /// Draws the bar at `done` of the total, and what comes next.
    func show(_ done: Int, _ next: String) {
        let filled = done * Self.width / total
        write(
            "\r\u{1B}[K[" + String(repeating: "#", count: filled)
                + String(repeating: ".", count: Self.width - filled) + "] \(done)/\(total) \(next)")
    }

    /// Takes the bar away.
    func clear() { write("\r\u{1B}[K") }

    private func write(_ text: String) {
        guard isVisible else { return }
        var text = text
        text.withUTF8 { bytes in unsafe _ = Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
