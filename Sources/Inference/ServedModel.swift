import Recurrent

/// A model that clients may ask for. One reference, so that every request passes it on for little.
public final class ServedModel: Sendable {
    public let id: String
    public let model: RecurrentModel
    public let tokenizer: CharacterTokenizer?
    /// Seconds since 1970 at which it was loaded.
    public let created: Int

    public init(_ folder: ModelFolder, created: Int) {
        (id, model, tokenizer) = (folder.id, folder.model, folder.tokenizer)
        self.created = created
    }
}
