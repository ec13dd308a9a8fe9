import JSON

/// Whose a `config.json` is. Others write files of that name too: Hugging Face's libraries, and `PyTorchModelHubMixin`,
/// which writes a model's constructor arguments.
///
/// It is Scanstep's own if it has `layout` or `normalised_gates`, or at least two of `cell`, `candidate` and `order`, or if
/// the tensors beside it have Scanstep's names: then a mistake in it is an error. Any other JSON object is foreign: it is
/// not used, and the architecture is read from the tensors, whose names must be a published layout.
enum ConfigurationOrigin {
    /// Scanstep's, of the whole architecture.
    case architecture
    /// Scanstep's, of what the tensors of a published layout leave open.
    case hints
    case foreign

    init(_ root: JSONValue, beside file: TensorFile) {
        if root["layout"] != nil || root["normalised_gates"] != nil {
            self = .hints
        } else if ["cell", "candidate", "order"].count(where: { root[$0] != nil }) >= 2 || root.kind != .object
            || NativeLayout.matches(file)
        {
            self = .architecture
        } else {
            self = .foreign
        }
    }
}
