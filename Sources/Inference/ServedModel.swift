import Recurrent

/// A model that clients may ask for. One reference, so that every request passes it on for little.
public final class ServedModel: Sendable {
    public let id: String
    public let model: RecurrentModel
    public let tokenizer: (any Tokenizer)?
    /// Seconds since 1970 at which it was loaded.
    public let created: Int

    /// The events of what was emitted before a generation goes on, told again.
    /// - Parameter lastStep: of the session at the last of them.
    public func events(of generation: Generation, lastStep: Int) -> PriorEvents {
        PriorEvents(of: generation, lastStep: lastStep, tokenizer)
    }

    public init(_ folder: ModelFolder, created: Int) {
        (id, model, tokenizer) = (folder.id, folder.model, folder.tokenizer)
        self.created = created
    }
}
