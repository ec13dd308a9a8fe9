import Glibc

/// Makes the folder, and those it is in, if it is not there; for its owner alone.
func makeFolder(_ path: String) throws(StoreError) {
    if unsafe mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    let reason = errno
    let parent = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    guard reason == ENOENT, !parent.isEmpty else { throw .failed(what: unsafe String(cString: strerror(reason))) }
    try makeFolder(parent)
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else {
        throw .failed(what: unsafe String(cString: strerror(errno)))
    }
}
