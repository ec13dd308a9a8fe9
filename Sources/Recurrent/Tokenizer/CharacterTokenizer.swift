import JSON

/// One token per Unicode scalar: token i is the i-th of a list of characters.
public struct CharacterTokenizer: Tokenizer, Equatable {
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

    /// Reads `{"kind": "characters", "characters": ["a", …]}`.
    init(json root: JSONValue, file: String) throws(CheckpointError) {
        guard let list = root["characters"], list.kind == .array else {
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

    public func bytes(of token: Int) -> [UInt8] {
        characters.indices.contains(token) ? Array(String(Character(characters[token])).utf8) : []
    }
}
