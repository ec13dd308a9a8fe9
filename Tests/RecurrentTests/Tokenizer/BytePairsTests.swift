import TestSupport
import Testing

@testable import Recurrent

@Suite("BytePairs")
struct BytePairsTests {
    /// Random merges over three bytes, of which later ones build upon earlier ones.
    private static func merges(_ seed: Int) -> [BytePairs.Pair: BytePairs.Merge] {
        var random = SeededGenerator(seed: UInt64(seed))
        var known: [Int32] = [97, 98, 99]
        var merges: [BytePairs.Pair: BytePairs.Merge] = [:]
        for rank in 0..<Int32(12) {
            let pair = BytePairs.Pair(
                left: known.randomElement(using: &random)!, right: known.randomElement(using: &random)!)
            if merges[pair] != nil { continue }
            merges[pair] = .init(rank: rank, token: 256 + rank)
            known.append(256 + rank)
        }
        return merges
    }

    /// As the definition has it: looks at all pairs for each merge.
    private static func naive(_ word: [UInt8], _ merges: [BytePairs.Pair: BytePairs.Merge]) -> [Int32] {
        var tokens = word.map { Int32($0) }
        while true {
            let found = tokens.indices.dropLast().compactMap { place in
                merges[.init(left: tokens[place], right: tokens[place + 1])].map { (place, $0) }
            }
            guard let (place, merge) = found.min(by: { $0.1.rank < $1.1.rank }) else { return tokens }
            tokens.replaceSubrange(place...place + 1, with: [merge.token])
        }
    }

    @Test("words are paired as by the definition, of equals the leftmost first", arguments: 0..<300)
    func equal(seed: Int) {
        let merges = Self.merges(seed)
        let pairs = BytePairs(bytes: (0..<256).map { Int32($0) }, merges: merges)
        var random = SeededGenerator(seed: UInt64(seed) + 1000)
        for length in [0, 1, 2, 3, 7, 20, 60] {
            let word = (0..<length).map { _ in UInt8.random(in: 97...99, using: &random) }
            #expect(pairs.encode(word[...]) == Self.naive(word, merges))
        }
    }
}
