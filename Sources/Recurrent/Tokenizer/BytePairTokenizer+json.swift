import JSON

extension BytePairTokenizer {
    /// Reads what Hugging Face's `tokenizers` writes.
    /// - Parameter endOfText: the text of the token that ends texts; nil for `<|endoftext|>`, if there is one.
    /// - Throws: where it asks for something else than byte-level pairs, or does not fit together.
    init(json root: JSONValue, file: String, endOfText: String? = nil) throws(CheckpointError) {
        func refusal(_ reason: String) -> CheckpointError { .configuration(file: file, reason: reason) }
        let settings = try Settings(root, refusal)
        guard let model = root["model"], let list = model["vocab"], list.kind == .object else {
            throw refusal("model.vocab must be an object of tokens")
        }
        var vocabulary = Vocabulary()
        for (name, id) in list.members {
            guard let id = id.int, (0..<1 << 24).contains(id) else {
                throw refusal("model.vocab has no id for \(name)")
            }
            guard vocabulary.add(name, Int32(id), bytes: ByteAlphabet.bytes(of: name) ?? Array(name.utf8)) else {
                throw refusal("model.vocab has two tokens of id \(id)")
            }
        }
        var (raw, composed): ([AddedTokens.Token], [AddedTokens.Token]) = ([], [])
        for token in root["added_tokens"].map({ Array($0.elements) }) ?? [] {
            guard let content = token["content"]?.string, let id = token["id"]?.int, (0..<1 << 24).contains(id) else {
                throw refusal("each of added_tokens must have content and an id")
            }
            if token["single_word"]?.bool == true { throw refusal("the added token \(content) is single_word") }
            vocabulary.override(content, Int32(id), bytes: ByteAlphabet.bytes(of: content) ?? Array(content.utf8))
            let isComposed = settings.composes && token["normalized"]?.bool == true
            let bytes = isComposed ? content._nfcCodeUnits : Array(content.utf8)
            let added = AddedTokens.Token(
                id: Int32(id), content: bytes, stripsLeft: token["lstrip"]?.bool == true,
                stripsRight: token["rstrip"]?.bool == true)
            if isComposed { composed.append(added) } else { raw.append(added) }
        }
        let single = (0...255).map { byte in vocabulary.id(ByteAlphabet.text(of: UInt8(byte))) }
        guard single.allSatisfy({ $0 != nil }) else { throw refusal("model.vocab lacks tokens of single bytes") }
        pairs = BytePairs(
            bytes: single.compactMap { $0 }, merges: try Self.merges(model["merges"], vocabulary, refusal))
        self.endOfText = vocabulary.id(endOfText ?? "<|endoftext|>").map(Int.init)
        words =
            model["ignore_merges"]?.bool == true
            ? Dictionary(vocabulary.ids.map { (vocabulary.bytes[Int($1)]!, $1) }) { first, _ in first } : [:]
        (vocabularySize, bytes, starts) = vocabulary.flat()
        (added, addedComposed) = (AddedTokens(raw), AddedTokens(composed))
        (composes, addsPrefixSpace) = (settings.composes, settings.addsPrefixSpace)
        splitsWords = settings.splitsWords
    }

    private static func merges(
        _ list: JSONValue?, _ vocabulary: Vocabulary, _ refusal: (String) -> CheckpointError
    ) throws(CheckpointError) -> [BytePairs.Pair: BytePairs.Merge] {
        guard let list, list.kind == .array else { throw refusal("model.merges must be an array") }
        var merges: [BytePairs.Pair: BytePairs.Merge] = [:]
        for (rank, element) in list.elements.enumerated() {
            // "a b", or ["a", "b"] as of version 0.20.
            let parts =
                element.string.map { $0.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }
                ?? element.elements.compactMap(\.string)
            guard parts.count == 2, let left = vocabulary.id(parts[0]), let right = vocabulary.id(parts[1]),
                let token = vocabulary.id(parts[0] + parts[1])
            else { throw refusal("model.merges[\(rank)] is not two tokens whose union is one") }
            // Of a pair that stands twice the later rank counts, as it does there.
            merges[.init(left: left, right: right)] = .init(rank: Int32(rank), token: token)
        }
        return merges
    }

    /// What is done beside pairing.
    private struct Settings {
        var composes = false
        var addsPrefixSpace = false
        var splitsWords = true

        init(_ root: JSONValue, _ refusal: (String) -> CheckpointError) throws(CheckpointError) {
            func type(_ name: String) -> String? { root[name]?["type"]?.string }
            guard root["model"]?["type"]?.string ?? "BPE" == "BPE" else { throw refusal("model.type must be BPE") }
            guard type("pre_tokenizer") == "ByteLevel" else { throw refusal("pre_tokenizer must be ByteLevel") }
            guard type("decoder") == "ByteLevel" else { throw refusal("decoder must be ByteLevel") }
            guard ["ByteLevel", nil].contains(type("post_processor")) else {
                throw refusal("post_processor must be ByteLevel or null: nothing is added to a text")
            }
            guard ["NFC", nil].contains(type("normalizer")) else { throw refusal("normalizer must be NFC or null") }
            for name in ["continuing_subword_prefix", "end_of_word_suffix"]
            where root["model"]?[name]?.string.map({ !$0.isEmpty }) ?? false {
                throw refusal("model.\(name) must be empty")
            }
            if root["model"]?["byte_fallback"]?.bool == true { throw refusal("model.byte_fallback must be false") }
            composes = type("normalizer") == "NFC"
            addsPrefixSpace = root["pre_tokenizer"]?["add_prefix_space"]?.bool ?? false
            splitsWords = root["pre_tokenizer"]?["use_regex"]?.bool ?? true
        }
    }

    /// The tokens while they are read.
    private struct Vocabulary {
        /// By the bytes of their names: strings that Unicode holds equal are different names.
        private(set) var ids: [[UInt8]: Int32] = [:]
        private(set) var bytes: [Int: [UInt8]] = [:]

        func id(_ name: String) -> Int32? { ids[Array(name.utf8)] }

        mutating func add(_ name: String, _ id: Int32, bytes: [UInt8]) -> Bool {
            ids[Array(name.utf8)] = id
            return self.bytes.updateValue(bytes, forKey: Int(id)) == nil
        }

        /// Adds a token that may be there already.
        mutating func override(_ name: String, _ id: Int32, bytes: [UInt8]) {
            ids[Array(name.utf8)] = id
            self.bytes[Int(id)] = bytes
        }

        func flat() -> (size: Int, bytes: [UInt8], starts: [Int32]) {
            let size = (bytes.keys.max() ?? -1) + 1
            var (all, starts): ([UInt8], [Int32]) = ([], [0])
            for id in 0..<size {
                all += bytes[id] ?? []
                starts.append(Int32(all.count))
            }
            return (size, all, starts)
        }
    }
}
