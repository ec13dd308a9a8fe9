/// Text to tokens and back.
public protocol Tokenizer: Sendable {
    /// Tokens go from 0 to below this.
    var vocabularySize: Int { get }
    /// The token with which texts end, if there is one: a model that emits it has nothing more to say.
    var endOfText: Int? { get }
    /// The tokens of `text`.
    func encode(_ text: String) throws(UnknownCharacter) -> [Int]
    /// The UTF-8 that `token` stands for, which may begin or end within a character; none for a token that stands for no
    /// text or is beyond the vocabulary.
    func bytes(of token: Int) -> [UInt8]
}

extension Tokenizer {
    public var endOfText: Int? { nil }

    /// The text of tokens; what is not UTF-8 becomes U+FFFD, one for each maximal part of a character (Unicode §3.9).
    public func decode(_ tokens: some Sequence<Int>) -> String {
        String(decoding: tokens.flatMap(bytes), as: UTF8.self)
    }

    /// The text of one token alone.
    public func decode(_ token: Int) -> String { decode(CollectionOfOne(token)) }
}

/// A character that a model has no token for.
public struct UnknownCharacter: Error, Equatable {
    public let character: Unicode.Scalar
    /// Its place in the text, counted in characters (Unicode scalars) from 0.
    public let position: Int
}
