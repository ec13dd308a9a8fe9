import JSON

/// Reads the fields of an object of `config.json`, and names what is wrong with them.
struct ConfigurationReader {
    /// Sizes above this are refused: they are typing errors, and products of a few of them still fit an Int.
    static let sizeLimit = 1 << 24

    let root: JSONValue
    let file: String
    /// What the names of its fields stand behind: "norm." for the fields of the object "norm".
    private let place: String

    init(_ root: JSONValue, file: String, place: String = "") {
        (self.root, self.file, self.place) = (root, file, place)
    }

    func refuse(_ reason: String) -> CheckpointError { .configuration(file: file, reason: reason) }

    /// Refuses all fields but these.
    func expectOnly(_ fields: Set<String>) throws(CheckpointError) {
        for (name, _) in root.members where !fields.contains(name) {
            let object = place.isEmpty ? "the configuration" : String(place.dropLast())
            throw refuse("\(object) has an unknown field \"\(name)\"")
        }
    }

    /// The object called `name`, with these fields alone; nil where there is none or it is null.
    func object(_ name: String, _ fields: Set<String>) throws(CheckpointError) -> ConfigurationReader? {
        guard let value = root[name], !value.isNull else { return nil }
        guard value.kind == .object else { throw refuse("\(place)\(name) must be an object") }
        let reader = ConfigurationReader(value, file: file, place: place + name + ".")
        try reader.expectOnly(fields)
        return reader
    }

    func has(_ name: String) -> Bool { root[name] != nil }

    /// A whole number that some dimension can have.
    func size(_ name: String) throws(CheckpointError) -> Int { try size(root[name], name) }

    /// As many sizes as `count`; nil where there is no such field or it is null.
    func sizes(_ name: String, count: Int) throws(CheckpointError) -> [Int]? {
        guard let values = root[name], !values.isNull else { return nil }
        guard values.kind == .array, values.count == count else {
            throw refuse("\(place)\(name) must be an array of \(count) numbers, one for each layer")
        }
        var sizes: [Int] = []
        for value in values.elements { sizes.append(try size(value, name)) }
        return sizes
    }

    private func size(_ value: JSONValue?, _ name: String) throws(CheckpointError) -> Int {
        guard let number = value?.int, number >= 1, number <= Self.sizeLimit else {
            throw refuse("\(place)\(name) must be a whole number from 1 to \(Self.sizeLimit)")
        }
        return number
    }

    func choice<T>(_ name: String, _ choices: [(String, T)]) throws(CheckpointError) -> T {
        guard let text = root[name]?.string, let found = choices.first(where: { $0.0 == text }) else {
            throw refuse("\(place)\(name) must be one of \(choices.map(\.0).joined(separator: ", "))")
        }
        return found.1
    }

    /// Nil where there is no such field.
    func flag(_ name: String) throws(CheckpointError) -> Bool? {
        guard let value = root[name] else { return nil }
        guard let flag = value.bool else { throw refuse("\(place)\(name) must be true or false") }
        return flag
    }

    func positive(_ name: String) throws(CheckpointError) -> Float {
        guard let value = root[name]?.float, value.isFinite, value > 0 else {
            throw refuse("\(place)\(name) must be a positive number")
        }
        return value
    }

    /// `otherwise` without the field; nil where it is null.
    func positive(_ name: String, otherwise: Float?) throws(CheckpointError) -> Float? {
        guard let value = root[name] else { return otherwise }
        return value.isNull ? nil : try positive(name)
    }
}
