import Synchronization
import TestSupport
import Testing

@testable import Inference

@Suite("Room in a generation's stream")
struct StreamRoomTests {
    private final class Wakes: Sendable {
        private let number = Atomic<Int>(0)
        var count: Int { number.load(ordering: .relaxed) }
        func note() { number.add(1, ordering: .relaxed) }
    }

    private func event(_ step: Int) -> GenerationEvent { GenerationEvent(token: 1, text: "a", step: step) }

    /// A stream that holds `GenerationStream.capacity` events, `expected` of them not on disk yet, and is found full.
    private func full(expecting expected: Int, _ wakes: Wakes) -> GenerationStream {
        let stream = GenerationStream { wakes.note() }
        for step in expected..<GenerationStream.capacity { stream.send(event(step)) }
        for _ in 0..<expected { stream.expect() }
        #expect(!stream.hasRoom)
        return stream
    }

    private func count(_ stream: GenerationStream) throws -> Int {
        var count = 0
        while try stream.takeNext() != nil { count += 1 }
        return count
    }

    @Test("the scheduler is woken when a full stream has been read, however late its events come to be on disk")
    func wakes() throws {
        for expected in 0...GenerationStream.capacity {
            let wakes = Wakes()
            let stream = full(expecting: expected, wakes)
            var read = try count(stream)
            for step in 0..<expected {
                // The reader takes each event as soon as it is there.
                stream.sendExpected(event(step))
                read += try count(stream)
            }
            #expect(read == GenerationStream.capacity && stream.hasRoom)
            #expect(wakes.count > 0, "\(expected) events were expected")
        }
    }

    @Test("events that the disk refuses give their room back, and the scheduler is woken") func refused() throws {
        let wakes = Wakes()
        let stream = full(expecting: GenerationStream.capacity, wakes)
        stream.end(.failure(.draining))
        for step in 0..<GenerationStream.capacity { stream.sendExpected(event(step)) }
        #expect(stream.hasRoom && wakes.count > 0)
        #expect(throws: InferenceError.draining) { try stream.takeNext() }
    }

    @Test("a stream that was never full wakes nobody") func quiet() throws {
        let wakes = Wakes()
        let stream = GenerationStream { wakes.note() }
        for step in 0..<1000 {
            stream.send(event(step))
            #expect(stream.hasRoom)
            #expect(try count(stream) == 1)
        }
        #expect(wakes.count == 0)
    }
}
