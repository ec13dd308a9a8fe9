import ArgumentParser
import Configuration
import FoundationEssentials

/// Reads settings by options over environment variables over defaults, and knows which there are.
final class SettingReader {
    private let environment = ConfigReader(provider: EnvironmentVariablesProvider()).scoped(to: "scanstep")
    private var known: Set<String> = []

    /// The setting `name`; nil where neither gives it.
    func text(_ option: String?, _ name: String) -> String? {
        known.insert(name.split(separator: "-").joined(separator: "_").uppercased())
        let key = ConfigKey([name.split(separator: "-").joined(separator: "_")])
        return option ?? environment.string(forKey: key)
    }

    /// A path or the like. An empty one, such as a shell makes of a variable that is not set, is refused: to leave it
    /// out would leave out what it protects.
    func path(_ option: String?, _ name: String) throws(ValidationError) -> String? {
        guard let text = text(option, name) else { return nil }
        guard !text.isEmpty else { throw ValidationError("--\(name) is empty: give it a value, or leave it out.") }
        return text
    }

    /// The setting as `parse` has it, which gives nil for what is not `what`.
    /// - Parameter largest: the most that may be written in the unit of a text; nil for what is no number with a unit.
    func value<T>(
        _ option: String?, _ name: String, _ what: String, largest: (String) -> String? = { _ in nil },
        _ parse: (String) -> T?
    ) throws(ValidationError) -> T? {
        guard let text = text(option, name) else { return nil }
        if let value = parse(text) { return value }
        if let largest = largest(text) {
            throw ValidationError("--\(name) must be at most \(largest); \"\(text)\" is too large.")
        }
        throw ValidationError("--\(name) must be \(what), not \"\(text)\".")
    }

    func number(_ option: Int?, _ name: String, _ range: ClosedRange<Int>) throws(ValidationError) -> Int? {
        try value(option.map(String.init), name, Self.describe(range)) { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    private static func describe(_ range: ClosedRange<Int>) -> String {
        range.upperBound == .max
            ? "a whole number from \(range.lowerBound)"
            : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    }

    /// Bytes.
    func size(_ option: String?, _ name: String, like example: String = "512MiB") throws(ValidationError) -> Int? {
        try value(
            option, name, "a whole number with its unit, B, KiB, MiB, GiB or TiB, such as \(example)",
            largest: Self.largestBytes, Self.bytes)
    }

    /// What a time looks like, for messages.
    static func times(like example: String) -> String {
        "a whole number with its unit, us, ms, s, m or h, such as \(example)"
    }

    /// A time of more than nothing.
    func time(_ option: String?, _ name: String, like example: String = "30s") throws(ValidationError) -> Duration? {
        try value(option, name, Self.times(like: example), largest: Self.largestDuration) { text in
            Self.duration(text).flatMap { $0 > .zero ? $0 : nil }
        }
    }

    /// A setting of which `none` means that there is no bound.
    func bound<T>(
        _ option: String?, _ name: String, _ what: String, largest: (String) -> String? = { _ in nil },
        _ parse: (String) -> T?
    ) throws(ValidationError) -> Bound<T>? {
        try value(option, name, what + ", or none", largest: largest) { text in
            text == "none" ? Bound.none : parse(text).map(Bound.of)
        }
    }

    enum Bound<T> {
        case none
        case of(T)

        var value: T? { if case .of(let value) = self { value } else { nil } }
    }

    /// Names in the environment that begin like a setting's and are none, sorted; without those of the build and those
    /// that Kubernetes makes for a service called scanstep.
    var unknownVariables: [String] {
        ProcessInfo.processInfo.environment.keys.filter { name in
            guard name.hasPrefix("SCANSTEP_") else { return false }
            let rest = name.dropFirst("SCANSTEP_".count)
            return !known.union(["COMMIT", "MARCH", "STRICT", "FUZZ"]).contains(String(rest))
                && !rest.hasPrefix("SERVICE_")
                && !rest.hasPrefix("PORT_")
        }.sorted()
    }

    private static let sizeUnits = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)]
    private static let timeUnits = [
        ("us", 1), ("ms", 1000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000),
    ]

    /// A whole number of bytes with its unit, B, KiB, MiB, GiB or TiB: a bare 2 might mean 2 GiB.
    static func bytes(_ text: String) -> Int? {
        guard let (unit, shift) = sizeUnits.first(where: { text.hasSuffix($0.0) }),
            let number = Int(text.dropLast(unit.count)), number > 0, number <= Int.max >> shift
        else { return nil }
        return number << shift
    }

    /// The most bytes in the unit of `text`, if that is a whole number of them that is larger.
    static func largestBytes(_ text: String) -> String? {
        largest(text, sizeUnits) { shift in Int.max >> shift }
    }

    /// A whole number of a unit, at most a million and a year: us, ms, s, m or h.
    static func duration(_ text: String) -> Duration? {
        guard let (unit, factor) = timeUnits.first(where: { text.hasSuffix($0.0) }),
            let number = Int(text.dropLast(unit.count)), number >= 0, number <= largestTime(factor)
        else { return nil }
        return .microseconds(number * factor)
    }

    private static func largestTime(_ factor: Int) -> Int { min(1_000_000, 31_536_000_000_000 / factor) }

    /// The longest time in the unit of `text`, if that is a whole number of them that is larger.
    static func largestDuration(_ text: String) -> String? { largest(text, timeUnits, largestTime) }

    private static func largest(_ text: String, _ units: [(String, Int)], _ limit: (Int) -> Int) -> String? {
        guard let (unit, factor) = units.first(where: { text.hasSuffix($0.0) }) else { return nil }
        let digits = text.dropLast(unit.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        // A number that is no integer is too large for one.
        if let number = Int(digits), number <= limit(factor) { return nil }
        return "\(limit(factor))\(unit)"
    }
}
