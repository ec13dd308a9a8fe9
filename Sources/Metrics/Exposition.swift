/// Text of metrics in the format that Prometheus reads, version 0.0.4.
public struct Exposition {
    public enum Kind: String { case counter, gauge, histogram }

    /// Names and values, in order.
    public typealias Labels = KeyValuePairs<String, String>

    public private(set) var text = ""

    public init() {}

    /// Begins a metric: its samples follow.
    public mutating func metric(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// A metric of one sample.
    public mutating func metric(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        metric(name, kind, help)
        sample(name, [:], value)
    }

    public mutating func metric(_ name: String, _ kind: Kind, _ help: String, _ value: Int) {
        metric(name, kind, help, Double(value))
    }

    public mutating func sample(_ name: String, _ labels: Labels, _ value: Double) {
        text += name
        write(Array(labels))
        text += " \(Self.number(value))\n"
    }

    public mutating func sample(_ name: String, _ labels: Labels, _ value: Int) {
        sample(name, labels, Double(value))
    }

    /// The samples of one histogram.
    public mutating func samples(_ name: String, _ labels: Labels, _ histogram: Histogram) {
        var total = 0
        for (place, count) in histogram.counts.enumerated() {
            total += count
            let bound = place < histogram.bounds.count ? Self.number(histogram.bounds[place]) : "+Inf"
            text += name + "_bucket"
            write(Array(labels) + [("le", bound)])
            text += " \(total)\n"
        }
        sample(name + "_sum", labels, histogram.sum)
        sample(name + "_count", labels, total)
    }

    private mutating func write(_ labels: [(key: String, value: String)]) {
        if labels.isEmpty { return }
        text += "{"
        for (index, label) in labels.enumerated() {
            text += (index == 0 ? "" : ",") + label.key + "=\""
            for character in label.value.unicodeScalars {
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.unicodeScalars.append(character)
                }
            }
            text += "\""
        }
        text += "}"
    }

    private static func number(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        return value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Inf" : "+Inf") : String(value)
    }
}
