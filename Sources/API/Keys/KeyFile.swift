import FoundationEssentials
import Glibc
import JSON
import Sessions

/// The file of API keys: `{"keys": [{"name": "ada", "sha256": "…", "requests_per_second": 100, …}]}`.
public enum KeyFile {
    /// What is wrong with a file.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        init(_ description: String) { self.description = description }
    }

    private static let members = ["name", "sha256", "requests_per_second", "sessions", "session_bytes", "models"]

    /// Reads the keys of a file.
    public static func read(_ path: String) throws(Failure) -> [APIKey] {
        try parse([UInt8](contents(path)))
    }

    /// Reads keys.
    static func parse(_ bytes: [UInt8]) throws(Failure) -> [APIKey] {
        let document: JSONDocument
        do throws(JSONError) { document = try JSONDocument(parsing: bytes) } catch {
            throw Failure("it is not JSON: \(error)")
        }
        do throws(Problem) {
            let fields = try Fields(document.root, allowed: ["keys"])
            guard let list = fields["keys"], list.kind == .array else { throw .invalid("keys must be an array.") }
            var keys: [APIKey] = []
            for (index, element) in list.elements.enumerated() {
                let key = try key(Fields(element, at: "keys[\(index)].", allowed: members))
                guard !keys.contains(where: { $0.name == key.name }) else {
                    throw .invalid("there are two keys called \"\(key.name)\".")
                }
                keys.append(key)
            }
            return keys
        } catch {
            throw Failure(error.detail)
        }
    }

    private static func key(_ fields: Fields) throws(Problem) -> APIKey {
        let name = try fields.required("name")
        guard SessionID.isValid(name) else { throw .invalid("\(fields.place)name must be \(SessionID.rule).") }
        let digest = try fields.required("sha256").lowercased()
        guard digest.utf8.count == 64, digest.allSatisfy({ $0.isASCII && $0.isHexDigit }) else {
            throw .invalid("\(fields.place)sha256 must be 64 hexadecimal digits.")
        }
        var limits = APIKey.Limits()
        limits.requestsPerSecond = try fields.float("requests_per_second", in: 0.001...1e9).map(Double.init)
        limits.sessions = try fields.int("sessions", in: 0...Int.max)
        limits.sessionBytes = try fields.int("session_bytes", in: 0...Int.max)
        if let models = fields["models"] {
            let names = models.kind == .array ? models.elements.compactMap(\.string) : []
            guard models.kind == .array, names.count == models.count else {
                throw .invalid("\(fields.place)models must be an array of names.")
            }
            limits.models = Set(names)
        }
        return APIKey(name: name, digest: digest, limits: limits)
    }

    /// Adds a key of this name, with no limits, to a file, which is made if there is none.
    /// - Returns: what its holder calls with; it is kept nowhere.
    public static func add(_ name: String, to path: String) throws(Failure) -> String {
        guard SessionID.isValid(name) else { throw Failure("a key's name must be \(SessionID.rule)") }
        let exists = FileManager.default.fileExists(atPath: path)
        let keys = exists ? try read(path) : []
        guard !keys.contains(where: { $0.name == name }) else { throw Failure("it has a key called \"\(name)\"") }
        let secret = "scanstep_" + SessionID.random() + SessionID.random()
        let key = APIKey(name: name, digest: APIKey.digest(of: secret), limits: APIKey.Limits())
        try write(keys + [key], to: path)
        return secret
    }

    private static func write(_ keys: [APIKey], to path: String) throws(Failure) {
        var text = "{\"keys\": [\n"
        for (index, key) in keys.enumerated() {
            var json = JSONWriter()
            write(key, to: &json)
            text += "  " + String(decoding: json.bytes, as: UTF8.self) + (index == keys.count - 1 ? "\n" : ",\n")
        }
        text += "]}\n"
        // Whole or not at all, and for nobody else's eyes.
        let temporary = path + ".new"
        try? FileManager.default.removeItem(atPath: temporary)
        let permissions: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        guard FileManager.default.createFile(atPath: temporary, contents: Data(text.utf8), attributes: permissions),
            unsafe rename(temporary, path) == 0
        else { throw Failure("it cannot be written: \(reason())") }
    }

    private static func write(_ key: APIKey, to json: inout JSONWriter) {
        json.beginObject()
        json.field("name", key.name)
        json.field("sha256", key.digest)
        if let rate = key.limits.requestsPerSecond { json.field("requests_per_second", rate) }
        if let sessions = key.limits.sessions { json.field("sessions", sessions) }
        if let bytes = key.limits.sessionBytes { json.field("session_bytes", bytes) }
        if let models = key.limits.models {
            json.key("models")
            json.beginArray()
            for model in models.sorted() { json.string(model) }
            json.endArray()
        }
        json.endObject()
    }

    private static func contents(_ path: String) throws(Failure) -> Data {
        do { return try Data(contentsOf: URL(fileURLWithPath: path)) } catch { throw Failure("it cannot be read") }
    }

    private static func reason() -> String { unsafe String(cString: strerror(errno)) }
}
