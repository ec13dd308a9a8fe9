import Kernels

/// What a model's numbers depend on: a state is valid only for the identity that it was made under.
///
/// ## The encoding
///
/// All texts are UTF-8 and all digests are SHA-256 as 64 lower-case hexadecimal digits. None of this depends on how the
/// program is written, so the encoding must not change; `Tests/Clients/with_identity.py` computes it anew.
///
/// - `tensors`: the digest over the float tensors (`F32`, `F16`, `BF16`) of `model.safetensors`, in ascending order of
///   the bytes of their names. Each contributes `<bytes of the name> <name> <dtype> [<shape, separated by commas>]`, a
///   line feed, and its bytes as they lie in the file. The file's metadata, and the order of the tensors in it, do not
///   count. An initial state that is a tensor counts as one.
/// - `architecture`: the digest over the words of `config.json`, defaults written out, as `ModelConfiguration.words`
///   lists them: `<word>=<value>` and a line feed each. A word that a later release adds is left out where it has the
///   value that all earlier models have, so that their identities stay.
/// - The text of an identity is the line `numerics=<n> scan=<mode> weights=<type> architecture=<digest>
///   tensors=<digest>`, with single spaces and no line feed. `fingerprint` is the digest of that text.
public struct ModelIdentity: Sendable, Equatable {
    /// The version of the arithmetic, `RecurrentModel.numericsVersion`.
    public let numerics: Int
    /// How prefills are scanned unless they say otherwise: a `ScanMode`, here or of another release.
    public let scan: String
    /// How weights are kept: a `WeightType`, here or of another release.
    public let weights: String
    public let architecture: String
    public let tensors: String
    /// Hexadecimal SHA-256 of `text`.
    public let fingerprint: String

    /// Names of the parts, in the order in which they are written.
    public static let parts = ["numerics", "scan", "weights", "architecture", "tensors"]
    /// The longest text that is an identity, in bytes.
    public static let longestText = 256

    /// Values of the parts, in the same order.
    public var values: [String] { [String(numerics), scan, weights, architecture, tensors] }

    /// All parts in one line, for storing.
    public var text: String { Self.text(values) }

    private static func text(_ values: [String]) -> String {
        zip(parts, values).map { "\($0)=\($1)" }.joined(separator: " ")
    }

    init(_ configuration: ModelConfiguration, layout: String?, file: TensorFile, weights: WeightType, scan: ScanMode) {
        self.init(
            numerics: RecurrentModel.numericsVersion, scan: scan.rawValue, weights: weights.rawValue,
            architecture: configuration.digest(layout: layout), tensors: file.digest())
    }

    private init(numerics: Int, scan: String, weights: String, architecture: String, tensors: String) {
        (self.numerics, self.scan, self.weights) = (numerics, scan, weights)
        (self.architecture, self.tensors) = (architecture, tensors)
        fingerprint = SHA256.hexadecimal(
            of: Self.text([String(numerics), scan, weights, architecture, tensors]))
    }

    /// The identity that has these values, which come from outside; nil where one of them is not what a part may be.
    public init?(values: [String]) {
        guard values.count == Self.parts.count, let numerics = Int32(values[0]), numerics > 0,
            String(numerics) == values[0], values[1...2].allSatisfy(Self.isWord),
            values[3...4].allSatisfy(Self.isDigest)
        else { return nil }
        self.init(
            numerics: Int(numerics), scan: values[1], weights: values[2], architecture: values[3], tensors: values[4])
    }

    /// The identity of which `text` is the text; nil where it is not one.
    public init?(text: String) {
        guard text.utf8.count <= Self.longestText else { return nil }
        var values: [String] = []
        for (name, item) in zip(Self.parts, text.split(separator: " ", omittingEmptySubsequences: false)) {
            guard item.hasPrefix(name + "=") else { return nil }
            values.append(String(item.dropFirst(name.count + 1)))
        }
        self.init(values: values)
        guard self.text == text else { return nil }
    }

    private static func isWord(_ text: String) -> Bool {
        (1...16).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
    }

    static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// Names of the parts in which `other` differs.
    public func differences(from other: ModelIdentity) -> [String] {
        zip(Self.parts, zip(values, other.values)).filter { $1.0 != $1.1 }.map(\.0)
    }

    /// What differs where a state has this identity and the server serves `served`, as the end of a sentence: "scan
    /// associative instead of exact, and other tensors"; nil where nothing does.
    public func difference(from served: ModelIdentity) -> String? {
        let phrases = differences(from: served).map { part in
            switch part {
            case "numerics": "version \(numerics) of the arithmetic instead of \(served.numerics)"
            case "scan": "scan \(scan) instead of \(served.scan)"
            case "weights": "weights kept as \(weights) instead of \(served.weights)"
            case "architecture": "another architecture"
            default: "other tensors"
            }
        }
        guard let last = phrases.last else { return nil }
        return phrases.count == 1 ? last : phrases.dropLast().joined(separator: ", ") + " and " + last
    }
}

extension ModelConfiguration {
    /// The words of `config.json` with their values, in a fixed order: what the identity of an architecture is made of.
    ///
    /// Parts of an object stand behind its name and a point. A missing object is the one word `null`. ε is the eight
    /// hexadecimal digits of its bits as a float32. `layout` is that of a published checkpoint, `null` for one with the
    /// names of this server.
    func words(layout: String?) -> [(word: String, value: String)] {
        var words = [
            ("layout", layout ?? "null"), ("cell", cell.name),
        ]
        words += cell.words
        words += [
            ("order", order.rawValue), ("layers", String(layers)), ("width", String(width)),
            ("inner_width", String(innerWidth)),
            ("layer_widths", layerWidths.map { $0.map(String.init).joined(separator: ",") } ?? "null"),
        ]
        if let norm {
            words += [
                ("norm.kind", Self.norms.first { $0.1 == norm.kind }!.0),
                ("norm.epsilon", Self.hexadecimal(norm.epsilon)),
            ]
        } else {
            words.append(("norm", "null"))
        }
        words.append(("final_norm", String(finalNorm)))
        if let convolution {
            words += [
                ("convolution.kernel", String(convolution.kernel)),
                ("convolution.pointwise", String(convolution.pointwise)),
            ]
        } else {
            words.append(("convolution", "null"))
        }
        if let mlp {
            words += [("mlp.width", String(mlp.width)), ("mlp.activation", mlp.activation.rawValue)]
        } else {
            words.append(("mlp", "null"))
        }
        switch input {
        case .tokens(let size): words += [("input.kind", "tokens"), ("input.vocabulary_size", String(size))]
        case .vectors(let size):
            words += [("input.kind", "vectors"), ("input.size", String(size)), ("input.map", String(mapsInput))]
        }
        switch output {
        case .logits: words.append(("output.kind", "logits"))
        case .vectors(let size):
            words += [("output.kind", "vectors"), ("output.size", String(size)), ("output.map", String(mapsOutput))]
        case .probabilities(let size): words += [("output.kind", "probabilities"), ("output.size", String(size))]
        }
        if let inputActivation { words.append(("input.activation", inputActivation.rawValue)) }
        if !hiddenOutputWidths.isEmpty {
            words.append(("output.hidden", hiddenOutputWidths.map(String.init).joined(separator: ",")))
            words.append(("output.activation", outputActivation?.rawValue ?? "null"))
        }
        return words + modules
    }

    /// The bits of a number as eight hexadecimal digits.
    static func hexadecimal(_ value: Float) -> String {
        let bits = String(value.bitPattern, radix: 16)
        return String(repeating: "0", count: 8 - bits.count) + bits
    }

    fileprivate func digest(layout: String?) -> String {
        SHA256.hexadecimal(of: words(layout: layout).map { "\($0)=\($1)\n" }.joined())
    }
}

extension TensorFile {
    fileprivate func digest() -> String {
        let sha = SHA256()
        for tensor in stored {
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            sha.update("\(tensor.name.utf8.count) \(tensor.name) \(tensor.type.rawValue) [\(shape)]\n")
            unsafe map.withBytes(tensor.bytes) { unsafe sha.update($0) }
        }
        return sha.hexadecimal()
    }
}
