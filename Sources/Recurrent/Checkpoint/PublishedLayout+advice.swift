import JSON

extension PublishedLayout {
    /// Why `file` would be refused beside the `config.json` whose text is `configuration`; nil where it would be served.
    /// What a refusal advises is tried so before, and what would be refused again is not advised.
    /// - Parameter advises: whether that refusal may advise something itself.
    static func refusal(
        of file: TensorFile, with configuration: String, at path: String, advises: Bool = false
    ) -> CheckpointError? {
        guard let root = try? JSONDocument(parsing: Array(configuration.utf8)).root else {
            return .configuration(file: path, reason: "\(configuration) is not JSON")
        }
        let hints = LayoutHints(root: root, path: path, isTrial: !advises)
        do throws(CheckpointError) {
            try tensors(of: file, try self.configuration(of: file, hints), hints).expectWhole(file)
            return nil
        } catch {
            return error
        }
    }

    /// The `config.json` that has a file of several layouts served as one of this one; nil where there is none.
    static func settling(_ file: TensorFile) -> String? {
        let configuration = "{\"layout\": \"\(name)\"}"
        switch refusal(of: file, with: configuration, at: file.path, advises: true) {
        case nil: return configuration
        case .configuration(_, let reason)?:
            // What else it must say, where that can be said.
            guard let begin = reason.firstRange(of: configuration.dropLast()),
                let end = reason[begin.upperBound...].firstIndex(of: "}")
            else { return nil }
            return String(reason[begin.lowerBound...end])
        default: return nil
        }
    }
}
