/// The folder of models as the service sees it: what it holds, and what of it is served. The program has it.
public protocol ModelRepository: Sendable {
    /// Whether clients may load and unload.
    var isControlled: Bool { get }

    /// Every model of the folder, by name; a reason for those that are not served.
    func index() -> [ModelIndexEntry]

    /// Reads the model of that name, again if it is served, and serves it. Takes as long as the reading.
    func load(_ name: String) async throws(ModelRepositoryError)

    /// Serves it no more. Its sessions stay for when it comes back.
    func unload(_ name: String) async throws(ModelRepositoryError)
}

public struct ModelIndexEntry: Sendable {
    public let name: String
    /// Nil where it is served.
    public let reason: String?

    public init(name: String, reason: String?) { (self.name, self.reason) = (name, reason) }
}

public enum ModelRepositoryError: Error, Equatable {
    /// The folder has no model of that name.
    case unknown
    /// It is not served.
    case notServed
    /// It cannot be read.
    case unreadable(String)
    /// The folder of models cannot be read at present.
    case folderUnreadable(String)
    /// Sessions are of other weights that were served under that name.
    case otherWeights
    /// The system has no thread to spare that could read it.
    case noThread
}
