import Foundation

/// Collects what a child process writes into a pipe, on a thread of its own that ends with the pipe.
final class PipeReader: @unchecked Sendable {
    // Unchecked: `bytes` and `isAtEnd` are touched only with `condition` locked.
    private let condition = NSCondition()
    private var bytes: [UInt8] = []
    private var isAtEnd = false

    init(_ pipe: Pipe) {
        let file = pipe.fileHandleForReading
        Thread.detachNewThread { [self] in
            while true {
                let piece = file.availableData
                condition.lock()
                bytes += piece
                isAtEnd = piece.isEmpty
                condition.broadcast()
                condition.unlock()
                if piece.isEmpty { return }
            }
        }
    }

    /// All text so far.
    var text: String { condition.withLock { String(decoding: bytes, as: UTF8.self) } }

    /// The first whole line that has `text` in it, as soon as it is there; nil if the pipe ends or time runs out.
    func line(with text: String, seconds: Double) -> String? {
        let deadline = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while true {
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
            if let line = lines.dropLast().first(where: { $0.contains(text) }) { return String(line) }
            if isAtEnd || !condition.wait(until: deadline) { return nil }
        }
    }

    /// Whether that text comes before the pipe ends and time runs out.
    func has(_ text: String, seconds: Double) -> Bool {
        let deadline = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while true {
            if String(decoding: bytes, as: UTF8.self).contains(text) { return true }
            if isAtEnd || !condition.wait(until: deadline) { return false }
        }
    }

    /// Waits until everything that was written has been read.
    func waitForEnd(seconds: Double) {
        let deadline = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !isAtEnd, condition.wait(until: deadline) {}
    }
}
