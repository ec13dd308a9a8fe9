import ArgumentParser

/// How much is absorbed at once: `8x512` is eight sequences of 512 steps each.
struct BenchSize: LosslessStringConvertible {
    let sequences: Int
    let steps: Int

    init(_ sequences: Int, _ steps: Int) { (self.sequences, self.steps) = (sequences, steps) }

    init?(_ description: String) {
        let numbers = description.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard numbers.count == 2, let sequences = numbers[0], let steps = numbers[1], (1...65_536).contains(sequences),
            (1...1_000_000_000).contains(steps)
        else { return nil }
        self.init(sequences, steps)
    }

    var description: String { "\(sequences)x\(steps)" }
}

/// Values of an option, separated by commas; `none` for none.
struct CommaList<Element: LosslessStringConvertible & Sendable>: ExpressibleByArgument, Sendable {
    let elements: [Element]

    init(_ elements: [Element]) { self.elements = elements }

    init?(argument: String) {
        var elements: [Element] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) where argument != "none" {
            guard let element = Element(String(part)) else { return nil }
            elements.append(element)
        }
        self.init(elements)
    }

    var defaultValueDescription: String { elements.map(\.description).joined(separator: ",") }
}
