import EventLoop
import FoundationEssentials
import HTTP
import Inference
import JSON
import Recurrent

/// A request to infer: tensors of a batch, each row a sequence from beginning to end or one session's next inputs.
struct InferRequest {
    let served: ServedModel
    let id: String?
    let works: [Work]
    let sequence: SequenceParameters?
    /// The tensors that are wanted, each whether behind the JSON.
    let outputs: [(name: String, isBinary: Bool)]
    /// Steps of the output of each row.
    let steps: Int

    init(_ body: [UInt8], _ served: ServedModel, _ service: Service, _ request: Request) throws(Problem) {
        self.served = served
        let (head, tail) = try Self.parts(of: body, request)
        let fields = try Fields(bytes: head, allowed: ["id", "model_name", "parameters", "inputs", "outputs"])
        var binary = tail
        if let name = try fields.string("model_name"), name != served.id {
            throw .invalid("model_name is \"\(name)\", and the path names model \"\(served.id)\".")
        }
        id = try fields.string("id")
        let parameters = try fields["parameters"].map { (value) throws(Problem) in
            try Fields(
                value, at: "parameters.",
                allowed: SequenceParameters.names + ["binary_data_output", "priority", "timeout", "return"])
        }
        sequence = try parameters.flatMap { (fields) throws(Problem) in try SequenceParameters(fields) }
        outputs = try Self.outputs(fields, served, allBinary: try parameters?.bool("binary_data_output") ?? false)
        let returned = try parameters?.string("return") ?? "all"
        guard ["all", "last"].contains(returned) else { throw .invalid("parameters.return must be all or last.") }

        var tensors: [String: InferTensor] = [:]
        for (index, element) in try fields.array("inputs", limit: 2).enumerated() {
            let tensor = try InferTensor(element, at: "inputs[\(index)].", binary: &binary)
            guard tensors.updateValue(tensor, forKey: tensor.name) == nil else {
                throw .invalid("Input \"\(tensor.name)\" stands twice.")
            }
        }
        guard binary.isEmpty else {
            throw .invalid(
                "\(binary.count) bytes behind the JSON belong to no input: its length is Inference-Header-Content-Length."
            )
        }
        let inputs = try Self.inputs(&tensors, served)
        let states = try Self.states(&tensors, rows: inputs.count, served, service, request)
        if let other = tensors.keys.first {
            throw .invalid(
                "There is no input \"\(other)\"; model \"\(served.id)\" has \(InferSignature(served).input) and state.")
        }
        guard sequence == nil || inputs.count == 1 else {
            throw .invalid("A request of a sequence has one row, not \(inputs.count).")
        }
        steps = returned == "last" ? 1 : inputs[0].count
        let size = served.model.configuration.outputSize
        let wantsOutput = outputs.contains { $0.name != "state" }
        guard !wantsOutput || inputs.count * steps <= ReplySize.valueLimit / size else {
            throw .invalid(
                "Outputs of shape [\(inputs.count), \(steps), \(size)] are more than the \(ReplySize.valueLimit) values of "
                    + "one reply; parameters.return \"last\" gives one step of each row.")
        }
        let timeout = try parameters?.int("timeout", in: 0...86_400_000_000)
        var works: [Work] = []
        var replySize = ReplySize()
        for (row, input) in inputs.enumerated() {
            var work = request.work(served, .detached, input)
            work.outputs = !wantsOutput ? .none : returned == "last" ? .last : .all
            work.supplied = states?[row]
            work.scan = served.model.scan
            work.wantsState = outputs.contains { $0.name == "state" }
            work.deadline = try service.deadline(of: request)
            if let timeout, timeout > 0 {
                let end = (request.arrival + Duration.microseconds(timeout)).nanoseconds
                work.deadline = min(end, work.deadline ?? end)
            }
            if let sequence { try service.aim(&work, at: sequence, served, request) }
            replySize.addState(of: work, served)
            works.append(work)
        }
        try replySize.check()
        self.works = works
    }

    /// The JSON and what stands behind it.
    private static func parts(of body: [UInt8], _ request: Request) throws(Problem) -> ([UInt8], ArraySlice<UInt8>) {
        guard let text = request.head.fields["inference-header-content-length"] else { return (body, []) }
        guard let length = Int(text), (0...body.count).contains(length), text.utf8.first != UInt8(ascii: "+") else {
            throw .invalid(
                "Inference-Header-Content-Length must be a whole number of at most the \(body.count) bytes of the body."
            )
        }
        return (Array(body[..<length]), body[length...])
    }

    private static func outputs(
        _ fields: Fields, _ served: ServedModel, allBinary: Bool
    ) throws(Problem) -> [(name: String, isBinary: Bool)] {
        let known = InferSignature(served).output
        guard fields["outputs"] != nil else { return [(known, allBinary)] }
        var wanted: [(name: String, isBinary: Bool)] = []
        for (index, element) in try fields.array("outputs", limit: 2).enumerated() {
            let place = "outputs[\(index)]."
            let output = try Fields(element, at: place, allowed: ["name", "parameters"])
            let name = try output.required("name")
            guard name == known || name == "state" else {
                throw .invalid("There is no output \"\(name)\"; model \"\(served.id)\" has \(known) and state.")
            }
            guard !wanted.contains(where: { $0.name == name }) else {
                throw .invalid("Output \"\(name)\" stands twice.")
            }
            var isBinary = allBinary
            if let value = output["parameters"] {
                let parameters = try Fields(value, at: place + "parameters.", allowed: ["binary_data"])
                if parameters["binary_data"] != nil { isBinary = try parameters.bool("binary_data") }
            }
            wanted.append((name, isBinary))
        }
        return wanted
    }

    /// The rows of the input tensor.
    private static func inputs(
        _ tensors: inout [String: InferTensor], _ served: ServedModel
    ) throws(Problem) -> [InputSequence] {
        let signature = InferSignature(served)
        guard let tensor = tensors.removeValue(forKey: signature.input) else {
            throw .invalid("Input \"\(signature.input)\" of model \"\(served.id)\" is missing.")
        }
        let wanted =
            "\(signature.inputType.rawValue) of shape [batch, time\(signature.features.map { ", \($0)" } ?? "")]"
        let isTyped = tensor.datatype == signature.inputType || signature.features == nil && tensor.datatype == .int32
        guard isTyped, tensor.shape.count == (signature.features == nil ? 2 : 3), tensor.shape[0] > 0,
            tensor.shape[1] > 0, signature.features == nil || tensor.shape[2] == signature.features
        else {
            throw .invalid(
                "Input \"\(tensor.name)\" is \(tensor.datatype.rawValue) of shape \(tensor.shape); model \"\(served.id)\" takes "
                    + "\(wanted), batch and time at least 1.")
        }
        let (rows, steps) = (tensor.shape[0], tensor.shape[1])
        guard rows <= Service.batchLimit else { throw .invalid("A batch has at most \(Service.batchLimit) rows.") }
        if let features = signature.features {
            let values = try tensor.floats()
            let length = steps * features
            return (0..<rows).map { .vectors(Array(values[$0 * length..<($0 + 1) * length]), count: steps) }
        }
        let tokens = try tensor.integers()
        let size = served.model.configuration.vocabularySize ?? 0
        if let index = tokens.firstIndex(where: { $0 < 0 || $0 >= size }) {
            throw .invalid(
                "tokens[\(index / steps), \(index % steps)] is \(tokens[index]); tokens of this model go from 0 to \(size - 1)."
            )
        }
        return (0..<rows).map { .tokens(Array(tokens[$0 * steps..<($0 + 1) * steps])) }
    }

    /// The state that each row goes on from: files as `/v1/sessions/{id}/state` gives them, in JSON as base64.
    private static func states(
        _ tensors: inout [String: InferTensor], rows: Int, _ served: ServedModel, _ service: Service, _ request: Request
    ) throws(Problem) -> [Work.SuppliedState]? {
        guard let tensor = tensors.removeValue(forKey: "state") else { return nil }
        guard tensor.datatype == .bytes, tensor.shape == [rows] else {
            throw .invalid(
                "Input \"state\" is \(tensor.datatype.rawValue) of shape \(tensor.shape); it must be BYTES of shape [\(rows)]."
            )
        }
        var states: [Work.SuppliedState] = []
        for (row, bytes) in try tensor.strings().enumerated() {
            let place = "state[\(row)]"
            var file = bytes
            if !tensor.isBinary {
                let text = String(decoding: bytes, as: UTF8.self)
                guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else {
                    throw .invalid("\(place) must be base64 (RFC 4648 §4).")
                }
                file = [UInt8](data)
            }
            states.append(try service.suppliedState(file, request, at: place, of: served).state)
        }
        return states
    }
}

/// The tensors that a model takes and gives.
struct InferSignature {
    let input: String
    let inputType: TensorDatatype
    /// Values of one step's vector; nil for tokens.
    let features: Int?
    let output: String
    let outputSize: Int

    init(_ served: ServedModel) {
        let configuration = served.model.configuration
        let takesTokens = configuration.vocabularySize != nil
        (input, inputType) = takesTokens ? ("tokens", .int64) : ("vectors", .float32)
        features = takesTokens ? nil : configuration.inputSize
        output = configuration.output == .logits ? "logits" : "outputs"
        outputSize = configuration.outputSize
    }
}
