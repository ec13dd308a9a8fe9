import Glibc
import TestSupport
import Testing

@testable import Inference

@Suite("Sampler")
struct SamplerTests {
    private func draws(
        _ logits: [Float], _ count: Int, temperature: Float = 1, topK: Int = 0, topP: Float = 1, seed: UInt64 = 1
    ) -> [Int] {
        let sampler = Sampler(temperature: temperature, topK: topK, topP: topP, seed: seed)
        var counts = [Int](repeating: 0, count: logits.count)
        for step in 0..<count { counts[sampler.draw(logits, step: step)] += 1 }
        return counts
    }

    private func softmax(_ logits: [Float], _ temperature: Double = 1) -> [Double] {
        let weights = logits.map { exp(Double($0 - logits.max()!) / temperature) }
        return weights.map { $0 / weights.reduce(0, +) }
    }

    /// χ² of counts against probabilities, over the possible ones.
    private func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> Double {
        let total = Double(counts.reduce(0, +))
        return zip(counts, probabilities).reduce(0) { sum, pair in
            let (count, probability) = pair
            if probability == 0 { return count == 0 ? sum : .infinity }
            let expected = probability * total
            return sum + (Double(count) - expected) * (Double(count) - expected) / expected
        }
    }

    private let logits: [Float] = [0.1, 2, -1, 1.5, 0, 0.7, -3, 1.2]

    @Test("draws follow the softmax for any seed and temperature", arguments: 0..<12)
    func distribution(seed: Int) {
        for temperature: Float in [0.5, 1, 2, 50] {
            let counts = draws(logits, 20_000, temperature: temperature, seed: UInt64(seed) &* 0x1234_5678_9ABC)
            // Seven degrees of freedom: 30 is passed by chance once in ten thousand times.
            #expect(chiSquare(counts, softmax(logits, Double(temperature))) < 30)
        }
    }

    @Test("draws of one step follow the softmax over seeds, neighbouring ones too") func seeds() {
        var counts = [Int](repeating: 0, count: logits.count)
        for seed in 0..<20_000 {
            counts[Sampler(temperature: 1, topK: 0, topP: 1, seed: UInt64(seed)).draw(logits, step: 7)] += 1
        }
        #expect(chiSquare(counts, softmax(logits)) < 30)
    }

    @Test("consecutive draws of equal tokens are independent") func pairs() {
        let sampler = Sampler(temperature: 1, topK: 0, topP: 1, seed: 11)
        var counts = [Int](repeating: 0, count: 16)
        for step in 0..<20_000 {
            counts[4 * sampler.draw([0, 0, 0, 0], step: step) + sampler.draw([0, 0, 0, 0], step: step + 1)] += 1
        }
        #expect(chiSquare(counts, [Double](repeating: 1 / 16, count: 16)) < 45)
    }

    @Test("top-k keeps the k likeliest in their proportions", arguments: 1...10) func topK(k: Int) {
        let kept = Set(logits.indices.sorted { logits[$0] > logits[$1] }.prefix(k))
        let all = softmax(logits)
        let mass = kept.reduce(0) { $0 + all[$1] }
        let expected = logits.indices.map { kept.contains($0) ? all[$0] / mass : 0 }
        #expect(chiSquare(draws(logits, 20_000, topK: k), expected) < 30)
    }

    @Test("top-p keeps the fewest that reach it", arguments: [0, 0.1, 0.36, 0.5, 0.8, 0.95, 0.999, 1])
    func topP(p: Float) {
        let all = softmax(logits)
        var (kept, mass) = (Set<Int>(), 0.0)
        for token in logits.indices.sorted(by: { all[$0] > all[$1] }) where kept.isEmpty || mass < Double(p) {
            kept.insert(token)
            mass += all[token]
        }
        let expected = logits.indices.map { kept.contains($0) ? all[$0] / mass : 0 }
        #expect(chiSquare(draws(logits, 20_000, topP: p), expected) < 30)
    }

    @Test("of equal tokens the lower ids are kept, and greedy takes the lowest") func ties() {
        let equal = [Float](repeating: 0.25, count: 10)
        #expect(draws(equal, 2000, topK: 3).enumerated().allSatisfy { ($1 > 0) == ($0 < 3) })
        let half = draws([Float](repeating: 0.25, count: 8), 2000, topP: 0.5)
        #expect(half.enumerated().allSatisfy { ($1 > 0) == ($0 < 4) })
        #expect(draws(equal, 500, topP: 0)[0] == 500)
        #expect(draws(equal, 500, temperature: 0)[0] == 500)
        #expect(draws([0, 1, 1, 0.5], 500, temperature: 0)[1] == 500)
        #expect(draws([-0.0, 0.0], 500, temperature: 0)[0] == 500)
    }

    @Test(
        "a vanishing temperature is greedy, whatever else is asked",
        arguments: [0, .leastNonzeroMagnitude, .leastNormalMagnitude / 4, .leastNormalMagnitude, 1e-20, 1e-6] as [Float]
    )
    func cold(temperature: Float) {
        for (topK, topP) in [(0, Float(1)), (3, 1), (0, 0.5), (2, 0), (1, 1)] {
            let counts = draws(logits, 200, temperature: temperature, topK: topK, topP: topP)
            #expect(counts == [0, 200, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test("a huge temperature is uniform", arguments: [1e10, 1e38, .greatestFiniteMagnitude] as [Float])
    func hot(temperature: Float) {
        let counts = draws(logits, 20_000, temperature: temperature)
        #expect(chiSquare(counts, [Double](repeating: 1 / 8, count: 8)) < 30)
    }

    @Test("a logit of −∞ is never drawn, extremes of finite logits neither", arguments: [0, 1e-3, 1, 30] as [Float])
    func impossible(temperature: Float) {
        for low in [-Float.infinity, -3e38] {
            for (topK, topP) in [(0, Float(1)), (4, 1), (0, 1 - 1e-7), (0, 0)] {
                let counts = draws([low, 1, low, 1.5, low], 3000, temperature: temperature, topK: topK, topP: topP)
                #expect(counts[0] + counts[2] + counts[4] == 0)
            }
        }
        #expect(draws([3e38, -3e38, 3.1e38], 500, temperature: temperature)[2] == 500)
    }

    @Test("a draw depends on logits, seed and step alone") func purity() {
        let (a, b) = (
            Sampler(temperature: 1, topK: 5, topP: 0.9, seed: 4), Sampler(temperature: 1, topK: 5, topP: 0.9, seed: 4)
        )
        let forward = (0..<500).map { a.draw(logits, step: $0) }
        #expect((0..<500).reversed().map { b.draw(logits, step: $0) } == forward.reversed())
        let other = Sampler(temperature: 1, topK: 5, topP: 0.9, seed: 5)
        #expect((0..<500).map { other.draw(logits, step: $0) } != forward)
    }

    @Test("one token is always that token") func single() {
        for temperature: Float in [0, .leastNonzeroMagnitude, 1, 1e38] {
            #expect(draws([3], 10, temperature: temperature, topP: 0.1) == [10])
        }
    }

    @Test("the likeliest tokens come in order, ties by id, with their log-probabilities") func ranked() {
        let values: [Float] = [9, 1, 3, 3, -2, 3, 0]
        for count in 0...9 {
            let best = RankedToken.best(count, of: values[1...])
            #expect(best.map(\.token) == Array([1, 2, 4, 0, 5, 3].prefix(count)))
            let all = softmax(Array(values[1...]))
            for ranked in best { #expect(abs(Double(ranked.logprob) - log(all[ranked.token])) < 1e-5) }
            if count == 1 { #expect(best == [RankedToken.best(of: values[1...])]) }
        }
    }
}
