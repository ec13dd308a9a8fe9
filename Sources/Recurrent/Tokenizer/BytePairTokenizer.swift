/// A byte-level byte-pair tokenizer as Hugging Face's `tokenizer.json` has it: those of GPT-2 and GPT-NeoX and their
/// like.
///
/// A text is cut at added tokens, composed (Unicode form C) where the file says so, and cut into words, whose bytes are
/// paired. Every text has tokens, and their bytes are those of the text.
public struct BytePairTokenizer: Tokenizer {
    public let vocabularySize: Int
    public let endOfText: Int?
    /// All tokens' bytes, one behind the other, and where each token's begin.
    let bytes: [UInt8]
    let starts: [Int32]
    let pairs: BytePairs
    /// Words that are tokens whatever their merges; empty where merges decide.
    let words: [[UInt8]: Int32]
    /// Those that are looked for in the text as it comes, and those in the composed one.
    let added: AddedTokens
    let addedComposed: AddedTokens
    let composes: Bool
    let addsPrefixSpace: Bool
    let splitsWords: Bool

    public func bytes(of token: Int) -> [UInt8] {
        guard (0..<vocabularySize).contains(token) else { return [] }
        return Array(bytes[Int(starts[token])..<Int(starts[token + 1])])
    }

    public func encode(_ text: String) -> [Int] {
        var encoder = Encoder(self)
        let bytes = Array(text.utf8)
        for piece in added.split(bytes) {
            switch piece {
            case .token(let id): encoder.tokens.append(Int(id))
            case .text(let range):
                let composed = composes ? Self.composed(bytes[range]) : Array(bytes[range])
                for piece in addedComposed.split(composed) {
                    switch piece {
                    case .token(let id): encoder.tokens.append(Int(id))
                    case .text(let range): encoder.append(Array(composed[range]))
                    }
                }
            }
        }
        return encoder.tokens
    }

    private static func composed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        if bytes.allSatisfy({ $0 < 0x80 }) { return Array(bytes) }
        // Public in the standard library, but for the underscore; the one other implementation is in full Foundation.
        return String(decoding: bytes, as: UTF8.self)._nfcCodeUnits
    }

    /// One text's tokens; words that come again are not paired again.
    private struct Encoder {
        private static let most = 1 << 16
        let tokenizer: BytePairTokenizer
        var tokens: [Int] = []
        private var known: [ArraySlice<UInt8>: [Int32]] = [:]

        init(_ tokenizer: BytePairTokenizer) { self.tokenizer = tokenizer }

        mutating func append(_ text: [UInt8]) {
            let bytes =
                tokenizer.addsPrefixSpace && text.first != UInt8(ascii: " ") ? [UInt8(ascii: " ")] + text : text
            guard tokenizer.splitsWords else { return append(word: bytes[...]) }
            var splitter = WordSplitter(bytes, bytes.indices)
            while let range = splitter.next() { append(word: bytes[range]) }
        }

        private mutating func append(word: ArraySlice<UInt8>) {
            let found: [Int32]
            if let before = known[word] {
                found = before
            } else {
                found = tokenizer.words[Array(word)].map { [$0] } ?? tokenizer.pairs.encode(word)
                if known.count < Self.most { known[word] = found }
            }
            for token in found { tokens.append(Int(token)) }
        }
    }
}
