import HTTP
import Inference
import JSON
import Recurrent

extension Fields {
    /// Names of the fields that an input may stand in.
    static let input = ["text", "tokens", "vectors"]

    /// The input among the fields, or nil when there is none.
    func input(for served: ServedModel) throws(Problem) -> InputSequence? {
        let given = Self.input.filter { self[$0] != nil }
        guard given.count <= 1 else {
            throw .invalid("Give one of \(given.map { place + $0 }.joined(separator: ", ")), not several.")
        }
        guard let name = given.first, let field = self[name] else { return nil }
        switch (name, served.model.configuration.input) {
        case ("text", .tokens): return .tokens(try tokens(ofText: field, name, served))
        case ("tokens", .tokens): return .tokens(try tokens(field, name, served))
        case ("vectors", .vectors(let size)):
            guard field.kind == .array, field.count > 0 else {
                throw .invalid("\(place)vectors must be an array of vectors, and not empty.")
            }
            var values: [Float] = []
            values.reserveCapacity(field.count * size)
            for (position, element) in field.elements.enumerated() {
                values += try vector(element, "vectors[\(position)]", size)
            }
            return .vectors(values, count: field.count)
        case (_, .tokens): throw .invalid("Model \"\(served.id)\" takes text or tokens, not vectors.")
        case (_, .vectors): throw .invalid("Model \"\(served.id)\" takes vectors, not \(name).")
        }
    }

    /// The tokens of a text.
    func tokens(ofText value: JSONValue, _ name: String, _ served: ServedModel) throws(Problem) -> [Int] {
        let size = try vocabularySize(of: served, name)
        guard let tokenizer = served.tokenizer else {
            throw .invalid(
                "Model \"\(served.id)\" has no tokenizer: give tokens from 0 to \(size - 1) instead of \(place)\(name).",
                place + name)
        }
        guard let text = value.string, !text.isEmpty else {
            throw .invalid("\(place)\(name) must be a string, and not empty.", place + name)
        }
        do throws(UnknownCharacter) {
            return try tokenizer.encode(text)
        } catch {
            let code = String(error.character.value, radix: 16, uppercase: true)
            let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
            throw .invalid(
                "\(place)\(name) has the character \"\(error.character)\" (U+\(padded)) at position \(error.position), "
                    + "which is not in the vocabulary of model \"\(served.id)\".", place + name)
        }
    }

    /// Tokens that a client has made.
    func tokens(_ value: JSONValue, _ name: String, _ served: ServedModel) throws(Problem) -> [Int] {
        let size = try vocabularySize(of: served, name)
        guard let tokens = value.ints(), !tokens.isEmpty else {
            throw .invalid("\(place)\(name) must be an array of whole numbers, and not empty.", place + name)
        }
        for (position, token) in tokens.enumerated() { try check(token, "\(name)[\(position)]", size) }
        return tokens
    }

    private func vocabularySize(of served: ServedModel, _ name: String) throws(Problem) -> Int {
        guard case .tokens(let size) = served.model.configuration.input else {
            throw .invalid("Model \"\(served.id)\" takes vectors, not \(name).", "model")
        }
        return size
    }

    /// The input among the fields, which must be there.
    func requiredInput(for served: ServedModel) throws(Problem) -> InputSequence {
        guard let input = try input(for: served) else {
            throw .invalid(
                "An input is missing: give one of \(Self.input.map { place + $0 }.joined(separator: ", ")).")
        }
        return input
    }

    /// The input of one step: `token` or `vector`.
    func stepInput(for served: ServedModel) throws(Problem) -> InputSequence {
        switch (self["token"], self["vector"], served.model.configuration.input) {
        case (let token?, nil, .tokens(let size)):
            guard let number = token.int else { throw .invalid("\(place)token must be a whole number.") }
            try check(number, "token", size)
            return .tokens([number])
        case (nil, let values?, .vectors(let size)):
            return .vectors(try vector(values, "vector", size), count: 1)
        case (nil, nil, _): throw .invalid("An input is missing: give \(place)token or \(place)vector.")
        case (_?, _?, _): throw .invalid("Give \(place)token or \(place)vector, not both.")
        case (_, _, .tokens): throw .invalid("Model \"\(served.id)\" takes a token, not a vector.")
        case (_, _, .vectors): throw .invalid("Model \"\(served.id)\" takes a vector, not a token.")
        }
    }

    private func check(_ token: Int, _ name: String, _ vocabularySize: Int) throws(Problem) {
        guard token >= 0 && token < vocabularySize else {
            throw .invalid(
                "\(place)\(name) is \(token); tokens of this model go from 0 to \(vocabularySize - 1).", place + name)
        }
    }

    private func vector(_ value: JSONValue, _ name: String, _ size: Int) throws(Problem) -> [Float] {
        guard let values = value.floats() else { throw .invalid("\(place)\(name) must be an array of numbers.") }
        guard values.count == size else {
            throw .invalid("\(place)\(name) has \(values.count) values; vectors of this model have \(size).")
        }
        guard values.allSatisfy({ $0.isFinite }) else {
            throw .invalid("\(place)\(name) has a number beyond the range of 32-bit floats.")
        }
        return values
    }
}
