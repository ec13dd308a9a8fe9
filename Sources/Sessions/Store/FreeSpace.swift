import Glibc

/// Bytes that the file system of a path has free for this process; nil where that is not known.
func freeBytes(at path: String) -> Int? {
    var status = statvfs()
    // Some file systems that are no disks say that they have no blocks at all.
    guard unsafe statvfs(path, &status) == 0, status.f_blocks > 0 else { return nil }
    let (bytes, isMore) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return isMore ? .max : Int(clamping: bytes)
}
