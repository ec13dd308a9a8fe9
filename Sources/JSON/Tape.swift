import CSimdJSON

/// What simdjson makes of a text: a flat list of 64-bit words, and the strings they point to.
///
/// Every position handed to a method must be the first word of a value on this tape; `JSONValue` and its sequences see
/// to that. The top byte of a word is its type, the other 56 bits are its payload:
///
/// | type | payload |
/// |---|---|
/// | `"` | offset of the string, which is a 32-bit length and then UTF-8 |
/// | `l` `u` `d` | none; the next word is the Int64, UInt64 or Double |
/// | `{` `[` | low 32 bits: position after the closing word; 24 bits above: count, all ones when it does not fit |
/// | `t` `f` `n` `}` `]` | none |
///
/// All unsafe code of this module is in this file.
@safe struct Tape: ~Copyable, @unchecked Sendable {
    // Unchecked: the words are written in `init` alone, before any other thread can know of them.
    private let document: OpaquePointer
    private let words: UnsafePointer<UInt64>
    private let strings: UnsafePointer<UInt8>

    /// Parses a copy of `bytes`.
    init(parsing bytes: borrowing [UInt8], maximumDepth: Int) throws(JSONError) {
        guard let document = unsafe csimdjson_take() else { throw .outOfMemory }
        let code = unsafe bytes.withUnsafeBufferPointer { text in
            unsafe csimdjson_parse(document, text.baseAddress, text.count, maximumDepth)
        }
        guard Int(code) == CSIMDJSON_OK else {
            let reason = unsafe String(cString: csimdjson_message(document))
            unsafe csimdjson_give_back(document)
            throw Tape.error(code: Int(code), reason: reason)
        }
        unsafe self.document = document
        unsafe self.words = csimdjson_tape(document)
        unsafe self.strings = csimdjson_strings(document)
    }

    deinit { unsafe csimdjson_give_back(document) }

    private static func error(code: Int, reason: String) -> JSONError {
        switch code {
        case CSIMDJSON_EMPTY: .emptyInput
        case CSIMDJSON_TOO_DEEP: .tooDeep
        case CSIMDJSON_TOO_LARGE: .tooLarge
        case CSIMDJSON_NO_MEMORY: .outOfMemory
        default: .invalid(reason)
        }
    }

    /// The type of the word at `position`.
    @inline(__always)
    func type(at position: Int) -> UInt8 { unsafe UInt8(truncatingIfNeeded: words[position] >> 56) }

    /// The second word of the number at `position`.
    @inline(__always)
    func number(at position: Int) -> UInt64 { unsafe words[position + 1] }

    /// The position after the array or object that begins at `position`.
    @inline(__always)
    func end(at position: Int) -> Int { unsafe Int(UInt32(truncatingIfNeeded: words[position])) }

    /// The count in the opening word at `position`, nil when it is too large to be there.
    func shortCount(at position: Int) -> Int? {
        let count = unsafe Int(truncatingIfNeeded: words[position] >> 32) & 0xFF_FFFF
        return count == 0xFF_FFFF ? nil : count
    }

    /// The bytes of the string at `position`; valid as long as this tape.
    @inline(__always)
    private func bytes(at position: Int) -> UnsafeBufferPointer<UInt8> {
        let start = unsafe strings + Int(words[position] & 0x00FF_FFFF_FFFF_FFFF)
        let count = unsafe UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)
        return unsafe UnsafeBufferPointer(start: start + 4, count: Int(count))
    }

    /// A copy of the string at `position`.
    func string(at position: Int) -> String { unsafe String(decoding: bytes(at: position), as: UTF8.self) }

    /// Whether the string at `position` is `text`, byte for byte.
    func isString(at position: Int, equalTo text: borrowing Span<UInt8>) -> Bool {
        let own = unsafe bytes(at: position)
        guard own.count == text.count else { return false }
        for index in text.indices where unsafe own[index] != text[index] { return false }
        return true
    }

    /// Whether the strings at two positions are the same, byte for byte.
    func areStringsEqual(_ first: Int, _ second: Int) -> Bool {
        unsafe isString(at: first, equalTo: bytes(at: second).span)
    }

    /// The numbers of the array at `position`, converted one by one; nil if `convert` refuses one or one is no number.
    @inline(__always)
    func numbers<Number>(
        at position: Int, count: Int, convert: (_ type: UInt8, _ bits: UInt64) -> Number?
    ) -> [Number]? {
        // Of no elements it is the one empty array that all threads share, and its count would be written even so.
        if count == 0 { return [] }
        var isComplete = true
        let numbers = unsafe [Number](unsafeUninitializedCapacity: count) { buffer, initialized in
            var word = position + 1
            while initialized < count {
                guard let number = unsafe convert(UInt8(truncatingIfNeeded: words[word] >> 56), words[word + 1]) else {
                    isComplete = false
                    return
                }
                unsafe buffer.initializeElement(at: initialized, to: number)
                initialized += 1
                word += 2
            }
        }
        return isComplete ? numbers : nil
    }
}
