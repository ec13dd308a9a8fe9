import Inference
import JSON

extension Fields {
    /// The stop texts: a string, or an array of them.
    func stop(_ served: ServedModel) throws(Problem) -> [String] {
        guard let field = self["stop"] else { return [] }
        let texts = field.kind == .array ? field.elements.map(\.string) : [field.string]
        guard texts.count <= 16, texts.allSatisfy({ $0.map { (1...1024).contains($0.utf8.count) } ?? false }) else {
            throw .invalid("stop must be a string of 1 to 1024 bytes, or an array of at most 16 of them.", "stop")
        }
        guard served.tokenizer != nil || texts.isEmpty else {
            throw .invalid("Model \"\(served.id)\" has no tokenizer, so it makes no text to stop at.", "stop")
        }
        return texts.compactMap { $0 }
    }
}
