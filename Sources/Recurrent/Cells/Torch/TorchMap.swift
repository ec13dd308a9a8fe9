/// A matrix beside a stack of `torch.nn`, and where it can stand.
struct TorchMap {
    /// What a matrix can be.
    enum Role: Hashable {
        /// The embedding in front of the stack: a row for each token.
        case embedding
        /// The linear map in front of the stack.
        case front
        /// The linear map behind the stack.
        case behind
    }

    /// Of its module: what stands before `.weight`.
    let name: String
    let rows: Int
    let columns: Int
    /// The name of its bias; nil where it has none.
    private(set) var bias: String?

    /// The matrix `name.weight` of `file`, with `name.bias` where there is one.
    init(_ file: TensorFile, _ name: String) throws(CheckpointError) {
        self.name = name
        // Its type is none of its place: what has none may have any.
        guard let shape = file.shape(of: name + ".weight") else { throw .missingTensor(file.prefix + name + ".weight") }
        guard shape.count == 2, shape.allSatisfy({ $0 > 0 }) else {
            throw .noMatrix(tensor: file.prefix + name + ".weight", found: shape)
        }
        (rows, columns) = (shape[0], shape[1])
        bias = file.contains(name + ".bias") ? name + ".bias" : nil
    }

    /// The same matrix without its bias, or with that of another module.
    func with(bias: String?) -> TorchMap {
        var map = self
        map.bias = bias
        return map
    }

    func tensors(of file: TensorFile) throws(CheckpointError) -> LinearTensors {
        let weight = try file.tensor(name + ".weight", [rows, columns])
        return LinearTensors(
            weight: TensorRows(tensor: weight, rows: 0..<rows),
            bias: try bias.map { (bias) throws(CheckpointError) in
                TensorRows(tensor: try file.tensor(bias, [rows]), rows: 0..<rows)
            })
    }

    /// The roles that its shape allows beside `stack`.
    func shaped(beside stack: TorchStack) -> Set<Role> {
        var roles: Set<Role> = []
        if bias == nil, columns == stack.inputs { roles.insert(.embedding) }
        if rows == stack.inputs { roles.insert(.front) }
        if columns == stack.outputs { roles.insert(.behind) }
        return roles
    }

    /// The last word of the path to its module that is no number.
    private var word: String { name.split(separator: ".").last { Int($0) == nil }?.lowercased() ?? "" }

    private static let embedding = ["emb", "tok", "wte"]
    private static let behind = [
        "actor", "classifier", "critic", "decoder", "dense", "head", "linear", "lm_head", "out", "policy", "value",
    ]

    private static func begins(_ word: some StringProtocol, _ beginnings: [String]) -> Bool {
        beginnings.contains { word.hasPrefix($0) }
    }

    /// The roles that its name allows.
    var named: Set<Role> {
        let word = word
        if Self.begins(word, Self.embedding) || word.contains("_emb") { return [.embedding] }
        if Self.begins(word, ["input_proj", "in_proj"]) { return [.front] }
        if Self.begins(word, ["encoder", "input"]) { return [.embedding, .front] }
        return word == "fc" || Self.begins(word, Self.behind) ? [.behind] : [.embedding, .front, .behind]
    }

    /// The roles that its name does not rule out, though it may speak for others: a head of tokens may be called
    /// `embed_out` or `token_classifier`.
    var possible: Set<Role> {
        let parts = word.split(separator: "_").drop { !Self.begins($0, Self.embedding) }.dropFirst()
        let isHead = parts.contains { $0 == "fc" || $0 == "logits" || Self.begins($0, Self.behind) }
        return isHead ? named.union([.behind]) : named
    }

    /// The roles that shape and name allow beside `stack`: without a role it has no place.
    func roles(beside stack: TorchStack) -> Set<Role> { shaped(beside: stack).intersection(named) }
}
