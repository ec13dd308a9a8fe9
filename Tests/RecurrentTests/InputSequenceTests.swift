import Testing

@testable import Recurrent

@Suite("Inputs of consecutive steps")
struct InputSequenceTests {
    @Test("inputs of one kind append, those of another are refused") func append() {
        var (tokens, vectors) = (InputSequence.tokens([1, 2]), InputSequence.vectors([1, 2], count: 1))
        let taken = [
            tokens.append(.tokens([3])), tokens.append(vectors), vectors.append(.vectors([3, 4, 5, 6], count: 2)),
            vectors.append(tokens),
        ]
        #expect(taken == [true, false, true, false])
        #expect(tokens == .tokens([1, 2, 3]))
        #expect(vectors == .vectors([1, 2, 3, 4, 5, 6], count: 3))
    }
}
