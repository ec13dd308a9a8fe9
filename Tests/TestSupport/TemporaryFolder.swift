import Foundation

/// A folder that goes when its owner does.
public final class TemporaryFolder {
    public let path: String

    public init() {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("scanstep-\(UUID().uuidString)").path
        try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file into the folder, making folders on the way, and gives its path.
    @discardableResult
    public func write(_ name: String, _ bytes: Data) -> String {
        let file = URL(fileURLWithPath: path).appendingPathComponent(name)
        try! FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try! bytes.write(to: file)
        return file.path
    }

    @discardableResult
    public func write(_ name: String, _ text: String) -> String { write(name, Data(text.utf8)) }
}
