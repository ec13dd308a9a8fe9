import CLinux
import Glibc

/// Something that all threads of a team do together.
public protocol Teamwork: AnyObject {
    /// One member's part. Every member is called, and all must call the same barriers in the same order.
    func work(as member: borrowing Team.Member)
}

/// A fixed number of threads, the caller's among them, that compute one thing together and wait for each other.
///
/// Who waits spins for some 40 microseconds and then sleeps on a futex. Nothing is allocated by a run. One thread runs a
/// team at a time; what members share lies in words of its own that are only touched atomically, and the work's
/// reference is written before and read after such a word changes: so `@unchecked Sendable`.
@safe public final class Team: @unchecked Sendable {
    /// Threads, the caller's included.
    public let count: Int
    private let shared: Shared
    private var threads: [Thread] = []

    /// One member's view of a run.
    public struct Member: ~Copyable {
        /// 0 for the caller of `run`, up to `count` − 1.
        public let index: Int
        public let count: Int
        fileprivate let shared: Shared?

        /// Waits until every member is here. What members wrote before it, all see behind it.
        @inline(__always)
        public func barrier() {
            if let shared { shared.barrier(count) }
        }

        /// Deals the numbers below `units` out to the members, each to whoever is free first. At most once between two
        /// barriers.
        @inline(__always)
        public func share(_ units: Int, _ body: (Int) -> Void) {
            guard let shared else {
                for unit in 0..<units { body(unit) }
                return
            }
            var unit = shared.claim()
            while unit < units {
                body(unit)
                unit = shared.claim()
            }
        }

        /// As `share`, in portions of `size` numbers.
        @inline(__always)
        public func share(_ count: Int, by size: Int, _ body: (Int) -> Void) {
            share((count + size - 1) / size) { portion in
                for index in portion * size..<min(count, portion * size + size) { body(index) }
            }
        }

        /// The only member of a team of one.
        public init() { (index, count, shared) = (0, 1, nil) }

        fileprivate init(index: Int, count: Int, shared: Shared) {
            (self.index, self.count, self.shared) = (index, count, shared)
        }
    }

    /// Starts `threads` − 1 threads.
    public init(threads: Int) {
        precondition(threads > 0 && threads <= 1024, "team of \(threads)")
        count = threads
        let shared = Shared()
        self.shared = shared
        guard threads > 1 else { return }
        let count = threads
        self.threads = (1..<threads).map { index in
            Thread {
                var seen: UInt32 = 0
                while true {
                    seen = shared.nextRun(after: seen)
                    guard Self.takePart(index, count, shared) else { return }
                    shared.finish()
                }
            }
        }
    }

    /// Does a member's part of what there is to do; false when there will be nothing more. A function of its own, so that
    /// its hold on the work is over before the caller of `run` is told: else the work, and the team that it may own,
    /// could end on the member's thread.
    @inline(never)
    private static func takePart(_ index: Int, _ count: Int, _ shared: Shared) -> Bool {
        guard let work = unsafe shared.teamwork else { return false }
        work.work(as: Member(index: index, count: count, shared: shared))
        return true
    }

    deinit {
        unsafe shared.teamwork = nil
        shared.begin()
        for thread in threads { thread.join() }
    }

    /// Has every member do its part, the caller's thread too, and returns when all have.
    public func run(_ teamwork: any Teamwork) {
        guard count > 1 else { return Self.runAlone(teamwork) }
        unsafe shared.teamwork = teamwork
        shared.begin()
        teamwork.work(as: Member(index: 0, count: count, shared: shared))
        shared.awaitFinish(of: count - 1)
        unsafe shared.teamwork = nil
    }

    /// Has the calling thread do all of it.
    public static func runAlone(_ teamwork: any Teamwork) {
        teamwork.work(as: Member())
    }
}

/// The words through which members meet, each in a cache line of its own.
@safe private final class Shared: @unchecked Sendable {
    /// Written by the caller of `run` while no member looks.
    unowned(unsafe) var teamwork: (any Teamwork)?

    private let words: UnsafeMutablePointer<UInt32>
    private var run: UnsafeMutablePointer<UInt32> { unsafe words }
    private var finished: UnsafeMutablePointer<UInt32> { unsafe words + 16 }
    private var arrived: UnsafeMutablePointer<UInt32> { unsafe words + 32 }
    private var phase: UnsafeMutablePointer<UInt32> { unsafe words + 48 }
    private var claimed: UnsafeMutablePointer<UInt32> { unsafe words + 64 }
    private var sleepers: UnsafeMutablePointer<UInt32> { unsafe words + 80 }

    /// Looks at a word before its reader goes to sleep: some 40 microseconds.
    private static let spins = 2000

    init() {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 6 * 64, alignment: 64)
        unsafe words = memory.bindMemory(to: UInt32.self, capacity: 96)
        unsafe words.initialize(repeating: 0, count: 96)
    }

    deinit { unsafe words.deallocate() }

    func begin() {
        unsafe linux_store(finished, 0)
        unsafe linux_store(claimed, 0)
        unsafe change(run)
    }

    func nextRun(after seen: UInt32) -> UInt32 {
        unsafe wait(run, while: seen)
        return unsafe linux_load(run)
    }

    func finish() {
        unsafe linux_add(finished, 1)
        unsafe wakeSleepers(finished)
    }

    func awaitFinish(of members: Int) {
        var count = unsafe linux_load(finished)
        while count != members {
            unsafe wait(finished, while: count)
            count = unsafe linux_load(finished)
        }
    }

    @inline(__always)
    func claim() -> Int { Int(unsafe linux_add(claimed, 1)) }

    func barrier(_ members: Int) {
        let before = unsafe linux_load(phase)
        if unsafe Int(linux_add(arrived, 1)) == members - 1 {
            unsafe linux_store(arrived, 0)
            unsafe linux_store(claimed, 0)
            unsafe change(phase)
        } else {
            unsafe wait(phase, while: before)
        }
    }

    private func change(_ word: UnsafeMutablePointer<UInt32>) {
        unsafe linux_add(word, 1)
        unsafe wakeSleepers(word)
    }

    private func wakeSleepers(_ word: UnsafeMutablePointer<UInt32>) {
        if unsafe linux_load_ordered(sleepers) > 0 { unsafe linux_futex_wake_all(word) }
    }

    private func wait(_ word: UnsafeMutablePointer<UInt32>, while value: UInt32) {
        for _ in 0..<Self.spins {
            if unsafe linux_load(word) != value { return }
            linux_pause()
        }
        unsafe linux_add(sleepers, 1)
        while unsafe linux_load_ordered(word) == value { unsafe linux_futex_wait(word, value) }
        unsafe linux_add(sleepers, UInt32.max)
    }
}
