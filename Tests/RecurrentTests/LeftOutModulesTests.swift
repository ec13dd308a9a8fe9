import Foundation
import TestSupport
import Testing

@testable import Recurrent

/// A tensor of any type, all of whose bytes are zero.
private struct Stored {
    let name: String
    let type: String
    let size: Int
    let shape: [Int]

    init(_ name: String, _ type: String, _ size: Int, _ shape: [Int]) {
        (self.name, self.type, self.size, self.shape) = (name, type, size, shape)
    }
}

@Suite("Modules that config.json leaves out")
struct LeftOutModulesTests {
    private static let bodied = stack(gates: 3, layers: 1) + linear("fc", 3, 6)
    private static let bodyParameters = 216 + 21
    private static let named = #"{"layout": "torch", "stack": "rnn", "output": "fc"}"#

    /// A file of `shapes` as float32, and of `more`.
    private func file(_ shapes: Shapes, _ more: [Stored]) -> Data {
        var (entries, end): ([String], Int) = ([], 0)
        let floats = shapes.map { Stored($0.name, "F32", 4, $0.shape) }
        for one in floats + more {
            let start = end
            end += one.shape.reduce(one.size, *)
            entries.append(
                "\"\(one.name)\":{\"dtype\":\"\(one.type)\",\"shape\":\(one.shape),\"data_offsets\":[\(start),\(end)]}")
        }
        return Safetensors.data(header: "{\(entries.joined(separator: ","))}", body: Data(count: end))
    }

    private static let norm = [
        Stored("bn.weight", "F32", 4, [6]), Stored("bn.bias", "F32", 4, [6]),
        Stored("bn.running_mean", "F32", 4, [6]), Stored("bn.running_var", "F32", 4, [6]),
        Stored("bn.num_batches_tracked", "I64", 8, []),
    ]

    @Test(
        "what the server does not use may have any type, and is not counted",
        arguments: ["norm", "double", "flags", "another stack", "matrix of none"])
    func types(name: String) throws {
        let more: [Stored] =
            switch name {
            case "norm": Self.norm
            case "double": [Stored("aux.weight", "F64", 8, [3, 6]), Stored("aux.bias", "F64", 8, [3])]
            case "flags": [Stored("mask", "BOOL", 1, [3])]
            case "another stack": stack("enc.", gates: 3, layers: 1).map { Stored($0.name, "I8", 1, $0.shape) }
            default: [Stored("aux.weight", "F32", 4, [0, 6])]
            }
        let model = try load(Self.named, file(Self.bodied, more)).model
        #expect(model.parameters == Self.bodyParameters)
        #expect(model.configuration.output == .vectors(size: 3))
    }

    @Test("a matrix of any type is left out where config.json names another for its place") func places() throws {
        let double = [Stored("aux.weight", "F64", 8, [3, 6]), Stored("aux.bias", "I64", 8, [3])]
        let hints = #"{"layout": "torch", "output": "fc"}"#
        #expect(try load(hints, file(Self.bodied, double)).model.parameters == Self.bodyParameters)
    }

    @Test("where nothing is left out by config.json, tensors of other types are refused by name")
    func kept() {
        for (more, word) in [
            (Self.norm, "tensor bn."), ([Stored("mask", "BOOL", 1, [3])], "tensor mask "),
            ([Stored("aux.weight", "F64", 8, [6, 3])], "aux.weight"),
        ] {
            let text = failure { _ = try load(nil, file(Self.bodied, more)) }?.description ?? "it was loaded"
            #expect(text.contains(word), "\(text)")
        }
        let used = file(stack(gates: 3, layers: 1) + [("fc.bias", [3])], [Stored("fc.weight", "F64", 8, [3, 6])])
        #expect(failure { _ = try load(Self.named, used) } == .wrongType(tensor: "fc.weight", found: "F64"))
        let stacked = file(
            linear("fc", 3, 6), stack(gates: 3, layers: 1).map { Stored($0.name, "F64", 8, $0.shape) })
        let text = failure { _ = try load(Self.named, stacked) }?.description ?? "it was loaded"
        #expect(text.contains("tensor rnn.weight_hh_l0 has type F64"))
    }

    private static let pair =
        linear("encoder.embedding", 20, 8, bias: false) + stack("encoder.rnn.", gates: 3, inputs: 8, layers: 1)
        + linear("decoder.embedding", 20, 8, bias: false) + stack("decoder.rnn.", gates: 3, inputs: 8, layers: 1)
        + linear("decoder.out", 20, 6)

    @Test("only the tensors of the served model are counted, and the identity is of the whole file") func counts()
        throws
    {
        let stackAlone = try load(#", "stack": "decoder.rnn""#, Self.pair)
        let whole = try load(
            #", "stack": "decoder.rnn", "input": "decoder.embedding", "output": "decoder.out""#, Self.pair)
        #expect(stackAlone.parameters == 18 * 8 + 18 * 6 + 36)
        #expect(whole.parameters == stackAlone.parameters + 20 * 8 + 20 * 7)
        #expect(stackAlone.identity.tensors == whole.identity.tensors)
        let tied = try load(#", "tied": true"#, linear("emb", 9, 6, bias: false) + stack(inputs: 6, layers: 1))
        #expect(tied.parameters == 9 * 6 + 2 * 24 * 6 + 48)
    }

    private func remark(_ hints: String?, _ shapes: Shapes) throws -> String? {
        try load(hints.map { "{\"layout\": \"torch\", \($0)}" }, file(shapes, [])).remark
    }

    @Test("a remark names what is left out, and is bounded in length") func remarks() throws {
        #expect(
            try remark(#""stack": "decoder.rnn""#, Self.pair)
                == "config.json leaves out modules of the file: decoder.embedding, decoder.out, encoder.embedding, encoder.rnn"
        )
        #expect(
            try remark(#""stack": "decoder.rnn", "input": "decoder.embedding", "output": "decoder.out""#, Self.pair)
                == "config.json leaves out modules of the file: encoder.embedding, encoder.rnn")
        #expect(try remark(#""output": "fc""#, Self.bodied) == nil)
        #expect(try remark(nil, Self.bodied) == nil)
        #expect(
            try remark(#""output": "fc""#, Self.bodied + linear("a\\nb", 3, 6))
                == "config.json leaves out modules of the file: a�b")
        let long = String(repeating: "x", count: 5000)
        let many = Self.bodied + (0..<50).flatMap { linear("\(long)\($0)", 3, 6) }
        let text = try #require(try remark(#""output": "fc""#, many))
        #expect(text.utf8.count < 1000 && text.hasSuffix("and 44 more"), "\(text)")
    }
}
