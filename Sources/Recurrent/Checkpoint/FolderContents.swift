import Glibc

/// The names in a folder, those that are not UTF-8 among them.
struct FolderContents {
    /// Sorted.
    let names: [String]
    /// Names that are not UTF-8, as their bytes.
    let otherNames: [[UInt8]]

    /// Why a folder cannot be listed.
    struct Failure: Error {
        let code: Int32
    }

    init(_ path: String) throws(Failure) { try self.init(bytes: Array(path.utf8)) }

    /// - Parameter bytes: of a path that may not be UTF-8.
    init(bytes: [UInt8]) throws(Failure) {
        guard let folder = unsafe opendir(bytes.map { CChar(bitPattern: $0) } + [0]) else { throw Failure(code: errno) }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        var others: [[UInt8]] = []
        while let entry = unsafe readdir(folder) {
            let bytes = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                unsafe name.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    unsafe Array(UnsafeBufferPointer(start: bytes, count: strnlen(UnsafeRawPointer(bytes), 256)))
                }
            }
            if let name = String(validating: bytes, as: UTF8.self) {
                if name != "." && name != ".." { names.append(name) }
            } else {
                others.append(bytes)
            }
        }
        (self.names, otherNames) = (names.sorted(), others)
    }

    /// The file that makes a folder a model.
    static let weights = "model.safetensors"

    var isModel: Bool { names.contains(Self.weights) }

    /// What weights there are in a form that is not served, and how they come to be; nil where there are none.
    /// - Parameter path: of the folder.
    func unserved(at path: String) -> String? {
        let convert = "`python Models/training/convert.py \(Self.quoted(path)) \(Self.quoted(path + "-converted"))`"
        let shards = names.filter { $0.wholeMatch(of: /.+-\d+-of-\d+\.(safetensors|bin)/) != nil }
        if let first = shards.first {
            return "its weights are in shards (\(first), …); \(convert) joins them"
        }
        let others = names.filter { $0.hasSuffix(".safetensors") }
        if others.count == 1 {
            return "its weights must be called \(Self.weights), and are called \(others[0]); rename the file"
        }
        if others.count > 1 {
            return "it has \(others.prefix(3).joined(separator: ", ")) and no \(Self.weights): a folder is one model"
        }
        let endings = [".bin", ".pt", ".pth", ".ckpt", ".tar"]
        let archives = names.filter { name in
            endings.contains { name.hasSuffix($0) } && !Self.companions.contains(name)
        }
        guard let first = archives.first else { return nil }
        return "it has \(first), an archive of PyTorch, and no \(Self.weights); "
            + (archives.count == 1 ? "\(convert) makes one of it" : "convert.py makes a model folder of one archive")
    }

    /// What trainers write beside weights under the same endings.
    private static let companions: Set<String> = [
        "training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.bin", "scheduler.pt", "rng_state.pth",
    ]

    /// As a shell takes it for one word.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || "/._-".utf8.contains(byte)
        }
        return isPlain
            ? text : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}
