import HTTP
import JSON

/// The fields of a JSON object in a request, read with their types and ranges checked.
///
/// Unknown and repeated fields are refused: a misspelt option that were ignored would be a wrong answer.
struct Fields {
    let value: JSONValue
    /// Where the object stands in the body, for messages: empty for the body itself, else like `steps[3].`.
    let place: String

    init(
        _ value: JSONValue, at place: String = "", allowed: [String], what: String = "The body"
    ) throws(Problem) {
        self.value = value
        self.place = place
        guard value.kind == .object else {
            throw .invalid(place.isEmpty ? "\(what) must be a JSON object." : "\(place.dropLast()) must be an object.")
        }
        if let name = value.firstKey(notIn: allowed) {
            throw .invalid(
                "There is no field \"\(place)\(name)\" here; known are \(allowed.sorted().joined(separator: ", ")).",
                place + name)
        }
        if let name = value.duplicateKey { throw .invalid("Field \"\(place)\(name)\" stands twice.", place + name) }
    }

    /// Reads the body of a request.
    init(body request: Request, allowed: [String]) async throws {
        try self.init(bytes: try await request.body(), allowed: allowed)
    }

    /// Reads a body, or what else there is a name for.
    init(bytes: [UInt8], allowed: [String], what: String = "The body") throws(Problem) {
        let document: JSONDocument
        do throws(JSONError) {
            document = try JSONDocument(parsing: bytes)
        } catch {
            throw Problem(.badRequest, "invalid-json", "\(what) is not JSON: \(error)")
        }
        try self.init(document.root, allowed: allowed, what: what)
    }

    /// The field, or nil when it is missing or null.
    subscript(name: String) -> JSONValue? {
        guard let field = value[name], !field.isNull else { return nil }
        return field
    }

    func string(_ name: String) throws(Problem) -> String? {
        guard let field = self[name] else { return nil }
        guard let text = field.string else { throw .invalid("\(place)\(name) must be a string.", place + name) }
        return text
    }

    func required(_ name: String) throws(Problem) -> String {
        guard let text = try string(name) else { throw .invalid("\(place)\(name) is missing.", place + name) }
        return text
    }

    func bool(_ name: String) throws(Problem) -> Bool {
        guard let field = self[name] else { return false }
        guard let flag = field.bool else { throw .invalid("\(place)\(name) must be true or false.", place + name) }
        return flag
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let field = self[name] else { return nil }
        guard let number = field.int, range.contains(number) else {
            throw .invalid(
                "\(place)\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).", place + name)
        }
        return number
    }

    func float(_ name: String, in range: ClosedRange<Float>) throws(Problem) -> Float? {
        guard let field = self[name] else { return nil }
        guard let number = field.float, range.contains(number) else {
            throw .invalid(
                "\(place)\(name) must be a number from \(range.lowerBound) to \(range.upperBound).", place + name)
        }
        return number
    }

    /// The elements of an array of 1 to `limit`.
    func array(_ name: String, limit: Int) throws(Problem) -> [JSONValue] {
        guard let field = self[name], field.kind == .array, (1...limit).contains(field.count) else {
            throw .invalid("\(place)\(name) must be an array of 1 to \(limit) elements.", place + name)
        }
        return Array(field.elements)
    }

    /// The step that the session must stand at.
    func expectedStep() throws(Problem) -> Int? { try int("expected_step", in: 0...Int.max) }
}
