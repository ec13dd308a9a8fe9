extension JSONValue {
    /// The members of an object in the order of the text; none for anything else.
    public var members: JSONMembers {
        let isObject = document.tape.type(at: position) == UInt8(ascii: "{")
        let end = isObject ? document.tape.end(at: position) - 1 : position
        return JSONMembers(document: document, position: position + 1, end: end)
    }

    /// The elements of an array in order; none for anything else.
    public var elements: JSONElements {
        let isArray = document.tape.type(at: position) == UInt8(ascii: "[")
        let end = isArray ? document.tape.end(at: position) - 1 : position
        return JSONElements(document: document, position: position + 1, end: end)
    }

    /// The value of an object's first member of that name (compared byte for byte), nil if there is none.
    public subscript(key: String) -> JSONValue? {
        guard document.tape.type(at: position) == UInt8(ascii: "{") else { return nil }
        let name = key.utf8.span
        let end = document.tape.end(at: position) - 1
        var candidate = position + 1
        while candidate < end {
            if document.tape.isString(at: candidate, equalTo: name) {
                return JSONValue(document: document, position: candidate + 1)
            }
            candidate = document.next(after: candidate + 1)
        }
        return nil
    }

    /// The first name in this object that is none of `names`, nil if all are; compared byte for byte.
    public func firstKey(notIn names: [String]) -> String? {
        guard document.tape.type(at: position) == UInt8(ascii: "{") else { return nil }
        let end = document.tape.end(at: position) - 1
        var key = position + 1
        while key < end {
            var isKnown = false
            for name in names where !isKnown { isKnown = document.tape.isString(at: key, equalTo: name.utf8.span) }
            if !isKnown { return document.tape.string(at: key) }
            key = document.next(after: key + 1)
        }
        return nil
    }

    /// A name that this object itself has more than once, nil if there is none.
    public var duplicateKey: String? {
        if document.tape.shortCount(at: position) == 1, document.tape.type(at: position) == UInt8(ascii: "{") {
            return nil
        }
        let keys = keyPositions
        if keys.count <= 16 {
            for (index, key) in keys.enumerated() {
                for earlier in keys[..<index] where document.tape.areStringsEqual(earlier, key) {
                    return document.tape.string(at: key)
                }
            }
            return nil
        }
        // Bytes, not strings: two spellings that Unicode holds equal are different names in JSON.
        var seen = Set<[UInt8]>(minimumCapacity: keys.count)
        for key in keys {
            let name = document.tape.string(at: key)
            if !seen.insert(Array(name.utf8)).inserted { return name }
        }
        return nil
    }

    /// Where the names of this object are on the tape; none for anything else.
    var keyPositions: [Int] {
        guard document.tape.type(at: position) == UInt8(ascii: "{") else { return [] }
        var positions: [Int] = []
        positions.reserveCapacity(document.tape.shortCount(at: position) ?? 0)
        let end = document.tape.end(at: position) - 1
        var key = position + 1
        while key < end {
            positions.append(key)
            key = document.next(after: key + 1)
        }
        return positions
    }

    /// An array of numbers in bulk, each as ``float`` has it; nil if this is no array or an element is no number.
    public func floats() -> [Float]? {
        guard document.tape.type(at: position) == UInt8(ascii: "[") else { return nil }
        return document.tape.numbers(at: position, count: count, convert: Self.float(type:bits:))
    }

    /// An array of integers in bulk, each as ``int`` has it; nil if this is no array or an element is no such integer.
    public func ints() -> [Int]? {
        guard document.tape.type(at: position) == UInt8(ascii: "[") else { return nil }
        return document.tape.numbers(at: position, count: count) { type, bits in
            type == UInt8(ascii: "l") ? Int(Int64(bitPattern: bits)) : nil
        }
    }
}

/// The members of an object, in the order of the text.
public struct JSONMembers: Sequence, IteratorProtocol, Sendable {
    let document: JSONDocument
    var position: Int
    let end: Int

    public mutating func next() -> (key: String, value: JSONValue)? {
        guard position < end else { return nil }
        let key = document.tape.string(at: position)
        let value = JSONValue(document: document, position: position + 1)
        position = document.next(after: position + 1)
        return (key, value)
    }
}

/// The elements of an array, in order.
public struct JSONElements: Sequence, IteratorProtocol, Sendable {
    let document: JSONDocument
    var position: Int
    let end: Int

    public mutating func next() -> JSONValue? {
        guard position < end else { return nil }
        let value = JSONValue(document: document, position: position)
        position = document.next(after: position)
        return value
    }
}
