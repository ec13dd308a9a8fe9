import Glibc

/// A folder of models: what in it is a model, and what was perhaps to be one.
public struct ModelDirectory: Sendable {
    /// A folder that is passed over, or the weights that lie beside the folders.
    public struct Skipped: Sendable, Equatable {
        /// Its name; bytes that are not UTF-8 are escaped.
        public let name: String
        /// Why, and what would make a model of it.
        public let reason: String
    }

    /// Paths of the folders that hold a `model.safetensors`, even one that cannot be read, in order of their names.
    public let paths: [String]
    /// Folders that look as if they were to be models and are none.
    public let skipped: [Skipped]
    /// What to do where the folder itself has the weights of a model; nil where it has none.
    public let ownWeights: String?

    /// Lists the folder at `path`.
    public init(_ path: String) throws(CheckpointError) {
        let contents: FolderContents
        do throws(FolderContents.Failure) {
            contents = try FolderContents(path)
        } catch {
            let isFile = error.code == ENOTDIR
            throw .unreadable(
                file: path,
                reason: isFile
                    ? "it is no folder; wanted is the folder that the folders of models are in"
                    : FileAccess.reason(error.code, path: path))
        }
        var paths: [String] = []
        var skipped: [Skipped] = []
        for name in contents.names {
            let folder = path + "/" + name
            do throws(FolderContents.Failure) {
                let files = try FolderContents(folder)
                if files.isModel {
                    paths.append(folder)
                } else if let reason = files.unserved(at: folder) ?? Self.nested(files, folder) {
                    skipped.append(Skipped(name: name, reason: reason))
                }
            } catch {
                // Files are no folders.
                guard error.code != ENOTDIR else { continue }
                let reason = "it cannot be read: " + FileAccess.reason(error.code, path: folder)
                skipped.append(Skipped(name: name, reason: reason))
            }
        }
        for bytes in contents.otherNames {
            guard let files = try? FolderContents(bytes: Array(path.utf8) + [UInt8(ascii: "/")] + bytes), files.isModel
            else { continue }
            let reason = "its name is not UTF-8, so no client can ask for it; rename the folder"
            skipped.append(Skipped(name: Self.escaped(bytes), reason: reason))
        }
        (self.paths, self.skipped) = (paths, skipped)
        ownWeights =
            contents.isModel
            ? "it is a model itself; --models takes the folder that it is in, \(Self.parent(of: path))"
            : contents.unserved(at: path)
    }

    /// What to do about models one folder deeper; nil where there are none.
    private static func nested(_ files: FolderContents, _ path: String) -> String? {
        let model = files.names.first { (try? FolderContents(path + "/" + $0))?.isModel == true }
        return model.map { "a model is one folder deeper, in \($0); move it up, or serve \(path) by --models" }
    }

    /// The folder that a folder is in, as its path says it.
    private static func parent(of path: String) -> String {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard path != ".", path != "..", !path.hasSuffix("/..") else { return path + "/.." }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// A name with each byte that is not ASCII text as `\xE9`.
    private static func escaped(_ bytes: [UInt8]) -> String {
        bytes.reduce(into: "") { text, byte in
            if (0x20..<0x7F).contains(byte), byte != UInt8(ascii: "\\") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
    }
}
