import Glibc

/// Which file a path leads to, and how long it is: another one of the same name has another identity.
struct FileMark {
    let path: String
    private let device: UInt64
    private let inode: UInt64
    let bytes: Int

    /// nil where the path leads to no file.
    init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.path = path
        (device, inode, bytes) = (UInt64(status.st_dev), UInt64(status.st_ino), Int(status.st_size))
    }

    /// The same file as it is now; nil where the path does not lead to it any more, or it has become shorter and may not.
    func now(mayBeShorter: Bool) -> FileMark? {
        guard let now = FileMark(path), now.device == device, now.inode == inode else { return nil }
        return mayBeShorter || now.bytes >= bytes ? now : nil
    }
}
