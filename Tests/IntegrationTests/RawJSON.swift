/// Pieces of a JSON text as they stand there, for comparisons byte for byte.
enum RawJSON {
    /// The text of the first member called `name`; nil when there is none.
    static func member(_ name: String, of text: String) -> String? {
        let bytes = Array(text.utf8)
        let key = Array("\"\(name)\":".utf8)
        guard bytes.count > key.count else { return nil }
        for start in 0..<bytes.count - key.count where bytes[start..<start + key.count].elementsEqual(key) {
            let begin = start + key.count
            return String(decoding: bytes[begin..<end(of: bytes, from: begin)], as: UTF8.self)
        }
        return nil
    }

    /// The texts of the elements of an array.
    static func elements(_ array: String) -> [String] {
        let bytes = Array(array.utf8)
        var elements: [String] = []
        var position = 1
        while position < bytes.count - 1 {
            let stop = end(of: bytes, from: position)
            elements.append(String(decoding: bytes[position..<stop], as: UTF8.self))
            position = stop + 1
        }
        return elements
    }

    /// Where the value that begins at `start` ends; texts of the server have no white space around values.
    private static func end(of bytes: [UInt8], from start: Int) -> Int {
        var depth = 0
        var isString = false
        var position = start
        while position < bytes.count {
            let byte = bytes[position]
            if isString {
                if byte == UInt8(ascii: "\\") { position += 1 }
                if byte == UInt8(ascii: "\"") { isString = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    if depth == 0 { return position }
                    depth -= 1
                case UInt8(ascii: ",") where depth == 0: return position
                default: break
                }
            }
            position += 1
        }
        return position
    }
}
