import TestSupport
import Testing

@testable import Sessions

@Suite("Kept beginnings of sequences")
struct PrefixTreeTests {
    private let root = PrefixTree.Root(model: "m", owner: "")

    @Test("random insertions, searches and removals against a plain list", arguments: 0..<8) func random(seed: Int) {
        struct Kept {
            let root: PrefixTree.Root
            let tokens: [Int]
            let slot: Int
            let value: Double
            var priority: Double
            var order: Int
        }
        var random = SeededGenerator(seed: UInt64(seed))
        var tree = PrefixTree()
        var list: [Kept] = []
        var (clock, order, mostWords) = (0.0, 0, 0)
        let roots = [root, PrefixTree.Root(model: "m", owner: "other"), PrefixTree.Root(model: "n", owner: "")]
        func common(_ a: [Int], _ b: [Int]) -> Int { zip(a, b).prefix { $0 == $1 }.count }
        for slot in 0..<6000 {
            let root = roots.randomElement(using: &random)!
            // Two letters: most sequences branch off from others.
            let tokens = (0..<Int.random(in: 1...10, using: &random)).map { _ in Int.random(in: 0...1, using: &random) }
            let here = list.filter { $0.root == root }
            #expect(tree.path(of: tokens[...], in: root) == here.map { common($0.tokens, tokens) }.max() ?? 0)
            let isKept = here.contains { $0.tokens == tokens }
            #expect(tree.keeps(tokens[...], in: root) == isKept)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4 where !isKept:
                let before = here.filter { tokens.starts(with: $0.tokens) }.map(\.tokens.count).max() ?? 0
                let (path, bytes) = (tree.path(of: tokens[...], in: root), tree.bytes)
                tree.insert(tokens[...], in: root, slot: slot, stateBytes: 1000, stepCost: 5)
                #expect(tree.bytes >= bytes)
                // The edge that ends at it begins where another sequence branches off, is kept, or it is the first.
                let edges = here.map { common($0.tokens, tokens) }.filter { $0 < tokens.count }
                let edge = tokens.count - (edges.max() ?? 0)
                _ = path
                order += 1
                let value = Double(tokens.count - before) * 5 / Double(1000 + PrefixTree.nodeBytes + 4 * edge)
                list.append(
                    Kept(root: root, tokens: tokens, slot: slot, value: value, priority: clock + value, order: order))
            case 4..<8:
                let found = tree.longest(of: tokens[...], in: root)
                let best = here.filter { tokens.starts(with: $0.tokens) }.max { $0.tokens.count < $1.tokens.count }
                #expect(found?.slot == best?.slot && found?.depth == best?.tokens.count)
                guard let best, let at = list.firstIndex(where: { $0.slot == best.slot }) else { break }
                order += 1
                (list[at].priority, list[at].order) = (clock + list[at].value, order)
            default:
                let least = list.indices.min {
                    (list[$0].priority, list[$0].order) < (list[$1].priority, list[$1].order)
                }
                let removed = tree.removeLeast()
                #expect(removed?.slot == least.map { list[$0].slot })
                #expect(removed?.root == least.map { list[$0].root } && removed?.stateBytes ?? 1000 == 1000)
                guard let least else { break }
                clock = list[least].priority
                list.remove(at: least)
            }
            #expect(tree.count == list.count)
            #expect(tree.flaw == nil)
            mostWords = max(mostWords, list.count)
        }
        #expect(mostWords > 10)
        while tree.removeLeast() != nil { #expect(tree.flaw == nil) }
        #expect(tree.bytes == 0 && tree.count == 0)
    }

    @Test("a hundred thousand tokens are one edge, and are found from any beginning on") func long() {
        var tree = PrefixTree()
        let tokens = (0..<100_000).map { $0 % 997 }
        tree.insert(tokens[...], in: root, slot: 0, stateBytes: 8, stepCost: 1)
        #expect(tree.bytes == PrefixTree.nodeBytes + 400_000)
        #expect(tree.longest(of: tokens.dropLast(), in: root) == nil)
        #expect(tree.path(of: tokens.dropLast(), in: root) == 99_999)
        for step in Swift.stride(from: 10, to: 100_000, by: 10) {
            tree.insert(tokens[..<step], in: root, slot: step, stateBytes: 8, stepCost: 1)
        }
        #expect(tree.longest(of: (tokens + [3])[...], in: root)?.depth == 100_000)
        #expect(tree.longest(of: tokens[..<55_555], in: root)?.slot == 55_550)
        #expect(tree.flaw == nil)
    }

    @Test("a state that is asked for stays, however many come and go") func hot() {
        var tree = PrefixTree()
        let hot = [Int](repeating: 7, count: 40)
        tree.insert(hot[...], in: root, slot: 1, stateBytes: 1000, stepCost: 10)
        for index in 0..<5000 {
            tree.insert([index, index + 1, index + 2][...], in: root, slot: index + 2, stateBytes: 1000, stepCost: 10)
            #expect(tree.longest(of: (hot + [index])[...], in: root)?.slot == 1)
            if tree.count > 20 { #expect(tree.removeLeast()?.slot != 1) }
        }
        #expect(tree.flaw == nil)
    }
}
