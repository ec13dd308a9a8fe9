import JSON

/// One token per Unicode scalar: token i is the i-th of a list of characters.
public struct CharacterTokenizer: Sendable, Equatable {
    /// A character that the model has no token for.
    public struct UnknownCharacter: Error, Equatable {
        public let character: Unicode.Scalar
        /// Its place in the text, counted in characters (Unicode scalars) from 0.
        public let position: Int
    }

    private let characters: [Unicode.Scalar]
    private let tokens: [Unicode.Scalar: Int]

    public var vocabularySize: Int { characters.count }

    /// nil when a character stands twice or the list is empty.
    public init?(characters: [Unicode.Scalar]) {
        var tokens: [Unicode.Scalar: Int] = [:]
        for (token, character) in characters.enumerated() {
            guard tokens.updateValue(token, forKey: character) == nil else { return nil }
        }
        guard !characters.isEmpty else { return nil }
        self.characters = characters
        self.tokens = tokens
    }

    /// Reads `tokenizer.json`: `{"kind": "characters", "characters": ["a", …]}`.
    init(json root: JSONValue, file: String) throws(CheckpointError) {
        guard root["kind"]?.string == "characters", let list = root["characters"], list.kind == .array else {
            throw .configuration(file: file, reason: "expected {\"kind\": \"characters\", \"characters\": [...]}")
        }
        var characters: [Unicode.Scalar] = []
        for element in list.elements {
            guard let text = element.string, text.unicodeScalars.count == 1 else {
                throw .configuration(file: file, reason: "each of characters must be a string of one character")
            }
            characters.append(text.unicodeScalars.first!)
        }
        guard let tokenizer = Self(characters: characters) else {
            throw .configuration(file: file, reason: "characters must be a list without repetitions, and not empty")
        }
        self = tokenizer
    }

    /// The tokens of `text`.
    public func encode(_ text: String) throws(UnknownCharacter) -> [Int] {
        var encoded: [Int] = []
        encoded.reserveCapacity(text.utf8.count)
        for (position, character) in text.unicodeScalars.enumerated() {
            guard let token = tokens[character] else {
                throw UnknownCharacter(character: character, position: position)
            }
            encoded.append(token)
        }
        return encoded
    }

    /// The text of `token`, which must be in the vocabulary.
    public func decode(_ token: Int) -> String { String(Character(characters[token])) }
}
