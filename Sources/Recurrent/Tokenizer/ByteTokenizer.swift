/// One token per byte of UTF-8: token i is byte i.
public struct ByteTokenizer: Tokenizer {
    public init() {}

    public var vocabularySize: Int { 256 }

    public func encode(_ text: String) -> [Int] { text.utf8.map(Int.init) }

    public func bytes(of token: Int) -> [UInt8] { UInt8(exactly: token).map { [$0] } ?? [] }
}
