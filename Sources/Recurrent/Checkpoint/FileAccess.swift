import Glibc

/// Why the system lets a file not be read, in words that say what would mend it.
enum FileAccess {
    /// The system's word for error `code` of the file or folder at `path`; for a lack of permission also whose it is, who
    /// asks, and what gives leave.
    static func reason(_ code: Int32, path: String) -> String {
        let word = unsafe String(cString: strerror(code))
        var status = stat()
        if code == ENOENT, let target = linkTarget(path) { return "it is a link to \(target), where nothing is" }
        guard code == EACCES else { return word }
        guard unsafe stat(path, &status) == 0 else {
            return
                "\(word): a folder on its path may not be entered by \(name(of: geteuid())); `chmod a+x` of that folder "
                + "lets everybody"
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        let digits = String(status.st_mode & 0o7777, radix: 8)
        let mode = String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
        let who = status.st_uid == geteuid() ? "u" : "a"
        return "\(word): it has mode \(mode) and belongs to \(name(of: status.st_uid)), and this program runs as "
            + "\(name(of: geteuid())); `chmod \(who)+\(isFolder ? "rx" : "r") \(path)` gives leave to read it"
    }

    /// Where a link leads; nil where there is none.
    private static func linkTarget(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink(path, &bytes, bytes.count)
        return count < 0 ? nil : String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A user's name, or the number where it has none.
    private static func name(of user: uid_t) -> String {
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: 4096)
        guard unsafe getpwuid_r(user, &entry, &text, text.count, &found) == 0, let name = unsafe found?.pointee.pw_name
        else { return "user \(user)" }
        return unsafe String(cString: name)
    }
}
