import FoundationEssentials
import Glibc
import Metrics

/// What the kernel knows of this process, under the names that Prometheus' own clients use.
struct ProcessFigures {
    var cpuSeconds = 0.0
    var startSeconds = 0.0
    var residentBytes = 0
    var virtualBytes = 0
    var descriptors = 0
    var threads = 0

    static func now() -> ProcessFigures {
        var figures = ProcessFigures()
        // proc(5): behind the name, which may have blanks and parentheses, come the third field and those that follow.
        if let text = contents("/proc/self/stat"), let end = text.lastIndex(of: ")") {
            let fields = text[text.index(after: end)...].split(separator: " ")
            let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
            func number(_ field: Int) -> Int { fields.count > field - 3 ? Int(fields[field - 3]) ?? 0 : 0 }
            figures.cpuSeconds = Double(number(14) + number(15)) / ticks
            figures.threads = number(20)
            figures.virtualBytes = number(23)
            figures.residentBytes = number(24) * Int(sysconf(Int32(_SC_PAGESIZE)))
            figures.startSeconds = bootSeconds + Double(number(22)) / ticks
        }
        let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        // One of them is that of the folder.
        figures.descriptors = max(0, (names?.count ?? 1) - 1)
        return figures
    }

    /// When the machine was started, in seconds since 1970.
    private static let bootSeconds: Double = {
        let line = contents("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst(6)) } ?? 0
    }()

    private static func contents(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    func write(to text: inout Exposition) {
        text.metric("process_cpu_seconds_total", .counter, "Processor time, user and system.", cpuSeconds)
        text.metric("process_start_time_seconds", .gauge, "Start, in seconds since 1970.", startSeconds)
        text.metric("process_resident_memory_bytes", .gauge, "Resident memory.", residentBytes)
        text.metric("process_virtual_memory_bytes", .gauge, "Virtual memory.", virtualBytes)
        text.metric("process_open_fds", .gauge, "Open descriptors.", descriptors)
        text.metric("process_threads", .gauge, "Threads.", threads)
    }
}
