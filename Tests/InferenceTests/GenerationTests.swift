import Recurrent
import TestSupport
import Testing

@testable import Inference
@testable import Sessions

@Suite("Generation")
struct GenerationTests {
    private static let samplings = [
        generation(40), generation(40, temperature: 0), generation(40, temperature: 0.3, seed: 9),
        generation(40, temperature: 3, seed: 1, topK: 3), generation(40, seed: 77, topP: 0.6),
        generation(40, temperature: .leastNonzeroMagnitude, seed: 3), generation(1),
    ]

    @Test("a generation equals sampling and stepping by hand", arguments: samplings.indices)
    func byHand(index: Int) async throws {
        let sampling = Self.samplings[index]
        for cell in ["minGRU", "minLSTM"] {
            let model = try smallModel(cell: cell)
            let alone = Alone(model)
            alone.absorb(3)
            let first = alone.generate(sampling)
            alone.absorb(5)
            let second = alone.generate(sampling)
            try await withServer([model]) { server in
                try await server.create("s", .tokens([3]))
                var work = Work(model: model.id, target: .session("s"), input: .empty)
                work.generation = sampling
                let done = try await server.scheduler.run(work)
                #expect(done.generated?.tokens == first && done.generated?.finish == .length)
                #expect(done.generated?.text == first.map { model.tokenizer!.decode($0) }.joined())
                #expect(done.step == 1 + sampling.maximumTokens && done.inputSteps == 0)
                work.input = .tokens([5])
                let again = try await server.scheduler.run(work)
                #expect(again.generated?.tokens == second && again.inputSteps == 1)
                #expect(try server.state("s") == alone.state)
            }
        }
    }

    @Test("streamed tokens are those of an unstreamed generation, among others at work") func streamed() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            for id in ["a", "b"] { try await server.create(id, .tokens([1, 2])) }
            var work = Work(model: model.id, target: .session("a"), input: .tokens([4, 4]))
            work.generation = generation(300, seed: 8)
            let first = work
            async let whole = server.scheduler.run(first)
            work.target = .session("b")
            let (events, end) = await server.scheduler.stream(work).rest()
            let (streamed, unstreamed) = (try end.get(), try await whole)
            #expect(events.map(\.token) == unstreamed.generated?.tokens)
            #expect(events.compactMap(\.text).joined() == unstreamed.generated?.text)
            #expect(events.map(\.step) == Array(5...304))
            #expect(streamed.generated?.text == unstreamed.generated?.text && streamed.step == unstreamed.step)
            #expect(try server.state("a") == server.state("b"))
        }
    }

    @Test("a fresh session has nothing to go on from") func nothingAbsorbed() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            try await server.create("s")
            var work = Work(model: model.id, target: .session("s"), input: .empty)
            work.generation = generation(3)
            #expect(await server.scheduler.run([work])[0].error == .nothingAbsorbed)
            #expect(await server.scheduler.stream(work).rest().end.error == .nothingAbsorbed)
        }
    }

    @Test("a stop text ends it, is cut out, and is absorbed", arguments: 0..<20) func stops(seed: Int) async throws {
        let model = try smallModel()
        let alone = Alone(model)
        alone.absorb(1)
        let tokens = alone.generate(generation(60, seed: UInt64(seed)))
        let text = tokens.map { model.tokenizer!.decode($0) }.joined()
        let stop = String(Array(text)[20..<22])
        let place = text.distance(from: text.startIndex, to: text.firstRange(of: stop)!.lowerBound)
        try await withServer([model]) { server in
            try await server.create("s", .tokens([1]))
            var work = Work(model: model.id, target: .session("s"), input: .empty)
            work.generation = generation(60, seed: UInt64(seed), stop: ["zz", stop, ""])
            let done = try await server.scheduler.run(work)
            #expect(done.generated?.text == String(text.prefix(place)))
            #expect(done.generated?.finish == .stop && done.generated?.tokens == Array(tokens.prefix(place + 2)))
            #expect(done.step == 1 + place + 2)
        }
    }

    @Test("a stop text that hides behind a longer one is found when the tokens run out") func hiddenStop() async throws
    {
        let model = try smallModel()
        let alone = Alone(model)
        alone.absorb(1)
        let text = alone.generate(generation(3)).map { model.tokenizer!.decode($0) }.joined()
        let (all, middle) = (text + "?", String(text.dropFirst()))
        try await withServer([model]) { server in
            var work = Work(model: model.id, target: .detached, input: .tokens([1]))
            work.generation = generation(3, stop: [all, middle])
            let done = try await server.scheduler.run(work)
            #expect(done.generated?.finish == .stop && done.generated?.tokens.count == 3)
            #expect(done.generated?.text == String(text.prefix(1)))
        }
    }

    @Test("a streamed work makes its session once") func streamedCreation() async throws {
        let model = try smallModel()
        try await withServer([model]) { server in
            for id in ["s", nil] {
                let before = server.sessions.count
                var work = Work(model: model.id, target: .create(id: id), input: .tokens([1, 2]))
                work.generation = generation(9)
                let (events, end) = await server.scheduler.stream(work).rest()
                let session = try end.get().session
                #expect(events.count == 9 && server.sessions.count == before + 1)
                #expect(try server.sessions.record(session!.id).step == 11)
            }
        }
    }

    @Test("of a character that is not finished when the tokens run out a mark remains") func unfinished() {
        var generator = Generator(generation(2), ByteTokenizer())
        #expect(generator.accept(0x61, step: 1).text == "a")
        #expect(generator.accept(0xE2, step: 2).text == "\u{FFFD}")
        #expect(generator.result?.text == "a\u{FFFD}" && generator.finish == .length)
    }
}
