import CLinux
import Glibc
import Synchronization
import Testing
import Threading

@testable import EventLoop

/// Two connected sockets on one loop.
private func makePair(_ loop: EventLoop) -> (Socket, Socket) {
    var pair: [Int32] = [0, 0]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    precondition(unsafe socketpair(AF_UNIX, kind, 0, &pair) == 0)
    return (Socket(owning: pair[0], loop: loop), Socket(owning: pair[1], loop: loop))
}

private final class Counter: Sendable {
    let value = Atomic<Int>(0)
}

private func withLoop(_ body: @escaping @Sendable (EventLoop) async throws -> Void) async throws {
    let loop = try EventLoop()
    loop.start()
    defer { loop.shutdown() }
    try await Task(executorPreference: loop) { try await body(loop) }.value
}

struct EventLoopTests {
    @Test("A task prefers its loop before and after a suspension")
    func affinity() async throws {
        try await withLoop { loop in
            #expect(loop.isCurrent)
            await loop.sleep(for: .milliseconds(1))
            #expect(loop.isCurrent)
            await Task.yield()
            #expect(loop.isCurrent)
        }
    }

    @Test("Jobs from many threads all run")
    func manyThreads() async throws {
        let loop = try EventLoop()
        loop.start()
        let done = Latch()
        let counter = Counter()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<1000 {
                        loop.run { if counter.value.add(1, ordering: .relaxed).newValue == 8000 { done.open() } }
                    }
                }
            }
        }
        #expect(done.wait(until: .now + .seconds(20)))
        loop.shutdown()
    }

    @Test("An afterthought comes once behind the work that asked for it, and at once on other threads")
    func afterthoughts() async throws {
        let counter = Counter()
        let afterthought = Afterthought { counter.value.add(1, ordering: .relaxed) }
        try await withLoop { loop in
            for _ in 0..<5 { afterthought.request() }
            #expect(counter.value.load(ordering: .relaxed) == 0)
            await loop.sleep(for: .milliseconds(1))
            #expect(counter.value.load(ordering: .relaxed) == 1)
            afterthought.request()
            await loop.sleep(for: .milliseconds(1))
            #expect(counter.value.load(ordering: .relaxed) == 2)
            await withCheckedContinuation { continuation in
                Thread {
                    for _ in 0..<3 { afterthought.request() }
                    continuation.resume()
                }.join()
            }
            #expect(counter.value.load(ordering: .relaxed) == 5)
        }
    }

    @Test("Timers fire in order on the loop, and a cancelled one does not")
    func timers() async throws {
        try await withLoop { loop in
            var fired: [Int] = []
            _ = loop.schedule(after: .milliseconds(3)) { fired.append(3) }
            _ = loop.schedule(after: .milliseconds(1)) { fired.append(1) }
            let cancelled = loop.schedule(after: .milliseconds(2)) { fired.append(2) }
            loop.cancel(cancelled)
            await loop.sleep(for: .milliseconds(6))
            #expect(fired == [1, 3])
        }
    }

    @Test("A read waits for bytes and sees the end")
    func reading() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            try right.attach()
            let reader = Task(executorPreference: loop) {
                var bytes: [UInt8] = []
                while try await left.read(into: &bytes) > 0 {}
                return bytes
            }
            await Task.yield()
            try await right.write([1, 2])
            await Task.yield()
            try await right.write([3])
            right.close()
            #expect(try await reader.value == [1, 2, 3])
            left.close()
        }
    }

    @Test("A write larger than the kernel's buffer waits for the reader")
    func backPressure() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            try right.attach()
            let whole = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let writer = Task(executorPreference: loop) {
                try await left.write(whole)
                left.close()
            }
            await Task.yield()
            var bytes: [UInt8] = []
            while try await right.read(into: &bytes) > 0 {}
            #expect(bytes == whole)
            try await writer.value
            right.close()
        }
    }

    @Test("What is written soon goes behind the work at hand, keeps its order and waits for a slow reader")
    func writingSoon() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            try right.attach()
            let whole = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            left.writeSoon(Array(whole[..<1000]))
            left.writeSoon(Array(whole[1000..<2000]))
            #expect(left.unsent == 2000)
            await loop.sleep(for: .milliseconds(1))
            #expect(left.unsent == 0)
            let writer = Task(executorPreference: loop) {
                left.writeSoon(Array(whole[2000..<3000]))
                try await left.write(Array(whole[3000..<4000]))
                left.writeSoon(Array(whole[4000..<3_500_000]))
                try await left.write(Array(whole[3_500_000...]))
                left.close()
            }
            await Task.yield()
            var bytes: [UInt8] = []
            while try await right.read(into: &bytes) > 0 {}
            #expect(bytes == whole)
            try await writer.value
            right.close()
        }
    }

    @Test("What was to be written soon to a peer that has gone is dropped, and the next write says so")
    func writingSoonToNobody() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            try right.attach()
            right.close()
            left.writeSoon([1, 2, 3])
            await loop.sleep(for: .milliseconds(1))
            #expect(left.unsent == 0)
            await #expect(throws: SocketError.reset) { try await left.write([]) }
            left.close()
            left.writeSoon([4])
            #expect(left.unsent == 0)
        }
    }

    @Test("A deadline ends a read, and the socket can be read again")
    func readDeadline() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            try right.attach()
            var bytes: [UInt8] = []
            await #expect(throws: SocketError.timedOut) {
                try await left.read(into: &bytes, until: .now + .milliseconds(2))
            }
            try await right.write([9])
            #expect(try await left.read(into: &bytes) == 1)
            left.close()
            right.close()
        }
    }

    @Test("A write to a peer that takes nothing times out")
    func writeDeadline() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            await #expect(throws: SocketError.timedOut) {
                try await left.write(Array(repeating: 0, count: 8_000_000), patience: .milliseconds(2))
            }
            left.close()
            withExtendedLifetime(right) {}
        }
    }

    @Test("A write to a peer that takes little at a time does not time out")
    func slowPeer() async throws {
        try await withLoop { loop in
            var pair: [Int32] = [0, 0]
            let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            try #require(unsafe socketpair(AF_UNIX, kind, 0, &pair) == 0)
            let (left, peer) = (Socket(owning: pair[0], loop: loop), pair[1])
            let (clock, other) = makePair(loop)
            try left.attach()
            try clock.attach()
            let reading = Task(executorPreference: loop) {
                var (nothing, piece): ([UInt8], _) = ([], [UInt8](repeating: 0, count: 4096))
                repeat {
                    // A read that nothing comes for is the clock.
                    _ = try? await clock.read(into: &nothing, until: .now + .milliseconds(5))
                } while unsafe recv(peer, &piece, piece.count, 0) != 0
            }
            // Shorter than what it takes to make room, longer than what it takes to take something.
            await #expect(throws: Never.self) {
                try await left.write([UInt8](repeating: 0, count: 500_000), patience: .milliseconds(150))
            }
            left.close()
            await reading.value
            clock.close()
            close(peer)
            withExtendedLifetime(other) {}
        }
    }

    @Test("Closing a socket wakes its reader and its writer")
    func closing() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            let reader = Task(executorPreference: loop) {
                var bytes: [UInt8] = []
                _ = try await left.read(into: &bytes)
            }
            let writer = Task(executorPreference: loop) {
                try await left.write(Array(repeating: 0, count: 8_000_000))
            }
            await loop.sleep(for: .milliseconds(1))
            left.close()
            left.close()
            await #expect(throws: SocketError.closed) { try await reader.value }
            await #expect(throws: SocketError.closed) { try await writer.value }
            withExtendedLifetime(right) {}
        }
    }

    @Test("Shutting a loop down wakes its readers")
    func shutdown() async throws {
        let loop = try EventLoop()
        loop.start()
        let reading = Latch()
        let (left, right) = makePair(loop)
        let reader = Task(executorPreference: loop) {
            try left.attach()
            reading.open()
            var bytes: [UInt8] = []
            _ = try await left.read(into: &bytes)
        }
        reading.wait()
        loop.shutdown()
        await #expect(throws: SocketError.closed) { try await reader.value }
        withExtendedLifetime(right) {}
    }

    @Test("Finishing the reading side ends a read that waits")
    func finishReading() async throws {
        try await withLoop { loop in
            let (left, right) = makePair(loop)
            try left.attach()
            let reader = Task(executorPreference: loop) {
                var bytes: [UInt8] = []
                return try await left.read(into: &bytes)
            }
            await Task.yield()
            left.finishReading()
            #expect(try await reader.value == 0)
            left.close()
            withExtendedLifetime(right) {}
        }
    }

    @Test("An event for an earlier use of a descriptor's number is dropped")
    func stale() async throws {
        try await withLoop { loop in
            let (earlier, other) = try (watched(loop), watched(loop))
            let stale = UInt64(earlier.number) << 32 | other.token & 0xffff_ffff
            other.canRead = false
            loop.deliver(Readiness(token: stale, flags: linux_readable | linux_hung_up))
            #expect(!other.canRead)
            #expect(!other.hungUp)
            loop.deliver(Readiness(token: other.token, flags: linux_readable))
            #expect(other.canRead)
            other.close()
            earlier.close()
        }
    }

    @Test("A descriptor that the kernel does not watch is refused, and closes as any other")
    func unwatchable() async throws {
        try await withLoop { loop in
            // Nothing else of this loop has a number as high.
            let file = unsafe open("/dev/null", O_RDONLY | O_CLOEXEC)
            let descriptor = fcntl(file, F_DUPFD_CLOEXEC, 900)
            _ = Glibc.close(file)
            let registration = Registration(owning: descriptor, loop: loop)
            #expect(throws: SystemError.self) { try loop.register(registration) }
            registration.close()
            #expect(fcntl(descriptor, F_GETFD) == -1)
            try watched(loop).close()
        }
    }

    /// One end of a pair of sockets, the other end of which is closed, registered on `loop`.
    private func watched(_ loop: EventLoop) throws -> Registration {
        var pair: [Int32] = [0, 0]
        precondition(unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        _ = Glibc.close(pair[1])
        let registration = Registration(owning: pair[0], loop: loop)
        try loop.register(registration)
        return registration
    }

    @Test("A listener takes literals and names, reports its port, and refuses a taken one")
    func listener() throws {
        let loop = try EventLoop()
        for host in ["127.0.0.1", "localhost"] {
            let listener = try Listener.bind(to: .tcp(host: host, port: 0), on: loop)
            #expect((1...65535).contains(listener.port))
            #expect(throws: SystemError.self) { try Listener.bind(to: .tcp(host: host, port: listener.port), on: loop) }
        }
        #expect(throws: SystemError.self) { try Listener.bind(to: .tcp(host: "no such host", port: 0), on: loop) }
        #expect(throws: SystemError.self) { try Listener.bind(to: .tcp(host: "127.0.0.1", port: 70000), on: loop) }
    }

    @Test("A latch lets waiters go once it is open, and lets them go at a deadline")
    func latch() {
        let latch = Latch()
        #expect(!latch.wait(until: .now + .milliseconds(1)))
        latch.open()
        #expect(latch.wait())
    }
}
