import FuzzSupport
import JSON

/// Writes `value` and checks on the way that all ways to read it agree.
private func write(_ value: JSONValue, to json: inout JSONWriter) {
    let readings = [value.string != nil, value.bool != nil, value.double != nil, value.isNull]
    switch value.kind {
    case .object:
        json.beginObject()
        var names: [String] = []
        for (name, member) in value.members {
            json.key(name)
            write(member, to: &json)
            names.append(name)
        }
        json.endObject()
        checkNames(names, of: value)
    case .array:
        json.beginArray()
        for element in value.elements { write(element, to: &json) }
        json.endArray()
        let elements = Array(value.elements)
        demand(elements.count == value.count, "\(value.count) of \(elements.count) elements")
        checkNumbers(elements.map(\.int), value.ints())
        checkNumbers(elements.map { $0.float?.bitPattern }, value.floats()?.map(\.bitPattern))
    case .string:
        json.string(value.string!)
        demand(value.isString(value.string!), "a string is not itself")
    case .number: if let number = value.int { json.int(number) } else { json.double(value.double!) }
    case .boolean: json.bool(value.bool!)
    case .null: json.null()
    }
    let isContainer = value.kind == .object || value.kind == .array
    demand(readings.count { $0 } == (isContainer ? 0 : 1), "\(value.kind) reads as \(readings)")
    demand(value.int == nil || value.kind == .number, "\(value.kind) is an integer")
}

/// Numbers read in bulk are those read one by one, where all are numbers.
private func checkNumbers<Number: Equatable>(_ single: [Number?], _ bulk: [Number]?) {
    let all = single.contains { $0 == nil } ? nil : single.compactMap { $0 }
    demand(all == bulk, "one by one \(single), in bulk \(String(describing: bulk))")
}

/// Names are found, and the one that stands twice.
private func checkNames(_ names: [String], of value: JSONValue) {
    demand(names.count == value.count, "\(value.count) of \(names.count) members")
    var seen = Set<[UInt8]>()
    let twice = names.first { !seen.insert(Array($0.utf8)).inserted }
    demand(twice.map { Array($0.utf8) } == value.duplicateKey.map { Array($0.utf8) }, "\(twice ?? "none") stands twice")
    for name in names { demand(value[name] != nil, "no \(name)") }
    demand(value.firstKey(notIn: names) == nil, "\(names) are not all the names")
}

private func written(_ document: JSONDocument) -> [UInt8] {
    var json = JSONWriter()
    write(document.root, to: &json)
    return json.bytes
}

/// Whether two values are the same, member by member.
private func same(_ first: JSONValue, _ second: JSONValue) -> Bool {
    guard first.kind == second.kind, first.count == second.count else { return false }
    switch first.kind {
    case .object:
        return zip(first.members, second.members).allSatisfy {
            Array($0.key.utf8) == Array($1.key.utf8) && same($0.value, $1.value)
        }
    case .array: return zip(first.elements, second.elements).allSatisfy(same)
    case .string: return Array(first.string!.utf8) == Array(second.string!.utf8)
    case .number: return first.int == second.int && first.double!.bitPattern == second.double!.bitPattern
    case .boolean: return first.bool == second.bool
    case .null: return true
    }
}

/// All bytes are a text. What parses can be written, and is read again as the same.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let bytes = input.rest()
    guard let document = try? JSONDocument(parsing: bytes) else { return 0 }
    _ = document.firstDuplicateKey
    let text = written(document)
    guard let again = try? JSONDocument(parsing: text) else {
        fatalError("written as \(String(decoding: text, as: UTF8.self)), which is not JSON")
    }
    demand(same(document.root, again.root), "written as \(String(decoding: text, as: UTF8.self))")
    demand(written(again) == text, "written again as \(String(decoding: written(again), as: UTF8.self))")
    // What follows a value is not part of it.
    demand((try? JSONDocument(parsing: bytes + [UInt8(ascii: "]")])) == nil, "a bracket too many is read")
    PlantedCrash.hide(in: bytes)
    return 0
}
