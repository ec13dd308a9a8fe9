/// Why the folder of sessions cannot be used, or did not take what it was given.
public enum StoreError: Error, Equatable, CustomStringConvertible {
    /// The disk, or the size that the folder may have, is used up.
    case full
    /// Another process has it.
    case inUse
    /// What it holds is not what was written there; `what` is the rest of a sentence.
    case damaged(what: String)
    /// It is of another program, or of a version of this one that is not known here.
    case foreign(what: String)
    /// It is a state that fits no model that is served.
    case otherModel(Misfit)
    /// The disk is slower than what is to be written: `limit` bytes wait already.
    case behind(limit: Int)
    /// The system refused; `what` is what it said.
    case failed(what: String)

    public var description: String {
        switch self {
        case .full: "there is no space left for it"
        case .inUse: "another process is using it"
        case .damaged(let what): "it is damaged: \(what)"
        case .foreign(let what): what
        case .otherModel(let misfit): "it is a state of a model \"\(misfit.model)\" that is not served here"
        case .behind(let limit): "more than \(limit) bytes wait to be written"
        case .failed(let what): what
        }
    }
}
