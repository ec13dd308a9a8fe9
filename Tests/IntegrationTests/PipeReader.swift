import Foundation

/// Collects what a child process writes into a pipe, on a thread of its own that ends with the pipe.
final class PipeReader: @unchecked Sendable {
    // Unchecked: `bytes` and `isAtEnd` are touched, and the pipe is read, only with `condition` locked.
    private let condition = NSCondition()
    private let file: FileHandle
    private var bytes: [UInt8] = []
    private var isAtEnd = false

    init(_ pipe: Pipe) {
        file = pipe.fileHandleForReading
        Thread.detachNewThread { [self] in
            while true {
                _ = isReadable(milliseconds: -1)
                condition.lock()
                readWritten()
                condition.broadcast()
                let ends = isAtEnd
                condition.unlock()
                if ends { return }
            }
        }
    }

    /// All text that was written before the call.
    var text: String {
        condition.withLock {
            readWritten()
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// Reads what is in the pipe, without waiting for more.
    private func readWritten() {
        while !isAtEnd, isReadable(milliseconds: 0) {
            let piece = file.availableData
            bytes += piece
            isAtEnd = piece.isEmpty
        }
    }

    /// Whether the pipe has something to read, or its end, before the time is over; -1 waits without limit.
    private func isReadable(milliseconds: Int32) -> Bool {
        var state = pollfd(fd: file.fileDescriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&state, 1, milliseconds) > 0
    }

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
