import Foundation
import Kernels
import TestSupport
import Testing

@testable import Recurrent

@Suite("Identity of a model")
struct ModelIdentityTests {
    private static let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Models").path

    /// As `python -m Clients.identity` computes them from the files.
    private static let shipped = [
        "lorenz-mingru": "33dda066e52cc9f579306dab6e16991e7cc6c4e894ed663752a6919f292426bb",
        "selective-copy-mingru": "193a1102f19ffccbbfe664e647771495d09210ffc126b74e7cc33f68dd82cc70",
        "selective-copy-minlstm": "cf864d5c9d02f01c800db56fe422f59b9af242753236ce647b40f8ff705e8e43",
        "shakespeare-mingru": "38b3203415523a05a2240e27f3188364f919dd66510c8642ea32678583956adf",
        "shakespeare-minlstm": "e4b9b434aa1fa5821aae1786cb6a1d5b256494e5d933d45cc562b3cf52e14089",
        "surface-code-d3": "715c254ee104b938bc8f23d3e3b526947c01bc4d3e8fdd9a14e6710eb397b17d",
        "surface-code-d5": "a9cf8a5741e0ebc9e5051c672ab426055c937806dc7917f3d4b079d0c44e82f8",
    ]

    @Test("every shipped model has its pinned fingerprint") func pins() throws {
        let found = try ModelDirectory(Self.models).paths.map { path in
            let folder = try ModelFolder(path: path)
            return (folder.id, folder.model.fingerprint)
        }
        #expect(Dictionary(uniqueKeysWithValues: found) == Self.shipped)
    }

    @Test(
        "models of every kind have their pinned fingerprints",
        arguments: [
            (1, "df16f3807e18feb3758f404688875662ad532170fffbc8033e1452e4824f5b0f"),
            (2, "c06cb87405f3cbb501079808db820a4b5b05bec3731c6c13cb6e16d6e9fd2bfb"),
            (3, "f2fcb5f3a3f7af252a0314fda6ee2501045a6ec0756708bbbe1dcb22802910bb"),
            (4, "29dc6fcc6dff27a1c58de79f7bd8a46d982610bd58edbafad639da4ac464305b"),
            (5, "3406122361b7b082fe9b9445ed3c8b6358cbba27227afb100be673da10728001"),
            (6, "6d2ba72815ecd80aaee9643b29643e3a47739f539cb0676c3e5f8be3ec28f3d0"),
            (7, "87bd97dc549f07537bc004f1a865912ad2eeab329c1b9a6f996c5acb051896ec"),
            (8, "8f5f6d9b5f06a5670e62cb8d5e7b1b301bfded720419b5b264255e7e5e0bc2a7"),
        ])
    func synthetic(seed: UInt64, fingerprint: String) throws {
        let found = try RandomModel(seed: seed).load().model.fingerprint
        #expect(found == fingerprint)
    }

    @Test(
        "checkpoints of published layouts have their pinned fingerprints",
        arguments: [
            ("authors-minlstm-normalised", "ac5fb72f9f4f1ca822e135f0d960ebabca35daaab590bdea003dc654e38cf10c"),
            ("gamma-mingru-conv", "483946aeafb425aeff58586804dd6c80316b7b18b90317b7542112140f7f3e5b"),
            ("highway-3", "c22946d43a016474358ba6cda400e6b2ae8434c3c2357079f2ac6fadffebfefb"),
            ("stack-aligned", "bf2283ee620cc4354963b3477022d8a684e2c28eea39a38412a77a3cf6e4f145"),
        ])
    func published(name: String, fingerprint: String) throws {
        #expect(try ModelFolder(path: Golden.path(of: name)).model.fingerprint == fingerprint)
    }

    private static func identity(
        _ configuration: ModelConfiguration, layout: String? = nil, _ file: TensorFile
    ) -> ModelIdentity {
        ModelIdentity(configuration, layout: layout, file: file, weights: .f32, scan: .exact)
    }

    @Test("the words of the architecture are those of config.json, in a fixed order, defaults written out")
    func words() throws {
        let model = try load(
            """
            {"output": {"kind": "vectors", "size": 2}, "input": {"size": 3, "kind": "vectors"}, "width": 4, "layers": 1,
             "order": "paper", "candidate": "vanilla", "cell": "minGRU", "norm": {"kind": "rms", "epsilon": 1e-6}}
            """,
            [
                ("input.weight", [4, 3], Array(repeating: 1, count: 12)), ("norm.weight", [4], [1, 1, 1, 1]),
                ("layers.0.rnn_norm.weight", [4], [1, 1, 1, 1]),
                ("layers.0.rnn.candidate.weight", [4, 4], Array(repeating: 1, count: 16)),
                ("layers.0.rnn.gate.weight", [4, 4], Array(repeating: 1, count: 16)),
                ("output.weight", [2, 4], Array(repeating: 1, count: 8)),
            ]
        ).model
        #expect(
            model.configuration.words(layout: nil).map { "\($0)=\($1)" } == [
                "layout=null", "cell=minGRU", "candidate=vanilla", "order=paper", "layers=1", "width=4",
                "inner_width=4", "layer_widths=null", "norm.kind=rms", "norm.epsilon=358637bd", "final_norm=true",
                "convolution=null", "mlp=null", "input.kind=vectors", "input.size=3", "input.map=true",
                "output.kind=vectors", "output.size=2", "output.map=true",
            ])
    }

    @Test("the same tensors, saved in another order and with metadata, are the same model") func savedAgain() throws {
        let random = RandomModel(seed: 3)
        let model = try random.load().model
        let backwards = Safetensors.data(random.tensors.reversed())
        #expect(try load(random.configuration, backwards).model.identity == model.identity)
        let length = 8 + backwards[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: backwards[8..<length], as: UTF8.self).dropFirst()
        let noted = Safetensors.data(
            header: "{\"__metadata__\":{\"format\":\"pt\"},\(header)   ", body: backwards[length...])
        #expect(try load(random.configuration, noted).model.identity == model.identity)
        // Defaults, and the order of words, do not count either.
        let words = try JSONSerialization.jsonObject(with: Data(random.configuration.utf8)) as! [String: Any]
        let compact = try JSONSerialization.data(
            withJSONObject: words.filter { !($0.value is NSNull) }, options: .sortedKeys)
        let again = try load(String(decoding: compact, as: UTF8.self), backwards)
        #expect(again.model.identity == model.identity)
    }

    @Test("every byte of every tensor, its name, type and shape change the tensors alone") func tensors() throws {
        func entry(_ name: String, _ type: String, _ shape: String, _ range: String) -> String {
            "{\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(range)},"
                + "\"z\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}"
        }
        let configuration = try RandomModel().load().model.configuration
        let body = Data(0..<12)
        let headers = [
            entry("a", "F32", "[2]", "[0,8]"), entry("b", "F32", "[2]", "[0,8]"), entry("a", "F32", "[2,1]", "[0,8]"),
            entry("a", "F32", "[1,2]", "[0,8]"), entry("a", "F16", "[4]", "[0,8]"), entry("a", "BF16", "[4]", "[0,8]"),
        ]
        let first = try Self.identity(configuration, open(Safetensors.data(header: headers[0], body: body)))
        var seen: Set = [first.tensors]
        for header in headers.dropFirst() {
            let other = try Self.identity(configuration, open(Safetensors.data(header: header, body: body)))
            #expect(seen.insert(other.tensors).inserted, "\(header)")
            #expect(other.differences(from: first) == ["tensors"])
        }
        for index in body.indices {
            var changed = body
            changed[index] ^= 0x10
            let other = try Self.identity(configuration, open(Safetensors.data(header: headers[0], body: changed)))
            #expect(seen.insert(other.tensors).inserted, "byte \(index)")
        }
    }

    @Test("every field of the configuration, and the layout, change the architecture alone") func fields() throws {
        var random = RandomModel(seed: 1)
        (random.norm, random.kernel, random.mlpWidth, random.layerWidths) = ("rms", 3, 8, nil)
        (random.inputSize, random.outputSize, random.givesProbabilities) = (nil, 4, false)
        (random.order, random.innerWidth, random.mapsInput, random.mapsOutput) = ("paper", 7, true, true)
        let file = try open(Safetensors.data(random.tensors))
        let plain = try random.load().model.configuration
        typealias Change = (inout ModelConfiguration) -> Void
        let changes: [(String, [Change])] = [
            (
                "cell",
                [MinimalCell.Kind.minGRU, .minLSTM, .minLSTMUnnormalised].flatMap { kind in
                    [Candidate.logSpace, .vanilla].map { candidate in { $0.cell = MinimalCell(kind, candidate) } }
                } + [
                    { $0.cell = TorchCell(.gru) }, { $0.cell = TorchCell(.lstm) },
                    { $0.cell = TorchCell(.lstm, cellWidth: 9) }, { $0.cell = TorchCell(.lstm, cellWidth: 8) },
                    { $0.cell = TorchCell(.rnn) }, { $0.cell = TorchCell(.rnn, activation: .relu) },
                    { $0.cell = ParaCell(.gru, limit: nil) }, { $0.cell = ParaCell(.gru, limit: 0.5) },
                    { $0.cell = ParaCell(.lstm, limit: nil) },
                ]
            ),
            (
                "order",
                [
                    { $0.order = .minGRUPyTorch }, { $0.order = .highway }, { $0.order = .stacked },
                    { $0.order = .paper },
                ]
            ),
            ("layers", [{ $0.layers += 1 }]), ("width", [{ $0.width += 1 }]),
            ("innerWidth", [{ $0.innerWidth += 1 }]),
            ("layerWidths", [{ $0.layerWidths = [1, 12] }, { $0.layerWidths = [11, 2] }]),
            (
                "norm",
                [{ $0.norm = nil }, { $0.norm!.kind = .layer }, { $0.norm!.epsilon = $0.norm!.epsilon.nextUp }]
            ),
            ("finalNorm", [{ $0.finalNorm.toggle() }]),
            (
                "convolution",
                [{ $0.convolution = nil }, { $0.convolution!.kernel += 1 }, { $0.convolution!.pointwise.toggle() }]
            ),
            (
                "mlp",
                [
                    { $0.mlp = nil }, { $0.mlp!.width += 1 }, { $0.mlp!.activation = .geglu },
                    { $0.mlp!.activation = .gelu },
                ]
            ),
            (
                "input",
                [
                    { $0.input = .tokens(vocabularySize: 1000) }, { $0.input = .vectors(size: 1000) },
                    {
                        $0.input = .vectors(size: 1000)
                        $0.mapsInput = false
                    },
                ]
            ),
            ("mapsInput", []), ("inputActivation", Activation.allCases.map { new in { $0.inputActivation = new } }),
            ("modules", [{ $0.modules = [("stack", "a")] }, { $0.modules = [("stack", "b")] }]),
            (
                "hiddenOutputWidths",
                [
                    { $0.hiddenOutputWidths = [3] }, { $0.hiddenOutputWidths = [3, 4] },
                    { $0.hiddenOutputWidths = [34] },
                ]
            ),
            (
                "outputActivation",
                Activation.allCases.map { new in
                    {
                        $0.hiddenOutputWidths = [3]
                        $0.outputActivation = new
                    }
                }
            ),
            (
                "output",
                [
                    { $0.output = .logits }, { $0.output = .vectors(size: 1000) },
                    { $0.output = .probabilities(size: 1000) },
                ]
            ),
            ("mapsOutput", [{ $0.mapsOutput.toggle() }]),
        ]
        let names = Mirror(reflecting: plain).children.compactMap(\.label)
        #expect(Set(names) == Set(changes.map(\.0)), "a field of the configuration is not among the changes")
        let first = Self.identity(plain, file)
        var seen: Set = [first.architecture]
        for (name, list) in changes {
            for change in list {
                var configuration = plain
                change(&configuration)
                guard configuration != plain else { continue }
                let other = Self.identity(configuration, file)
                #expect(seen.insert(other.architecture).inserted, "\(name)")
                #expect(other.differences(from: first) == ["architecture"], "\(name)")
            }
        }
        #expect(seen.insert(Self.identity(plain, layout: "mingru", file).architecture).inserted)
    }

    @Test("scan, weights and the version of the arithmetic are parts, and a difference is put into words")
    func difference() throws {
        let random = RandomModel()
        let served = try random.load().model.identity
        #expect(served.difference(from: served) == nil && served.differences(from: served).isEmpty)
        let scan = try random.load(scan: .associative).model.identity
        #expect(scan.difference(from: served) == "scan associative instead of exact")
        let weights = try random.load(weights: .int8).model.identity
        #expect(weights.difference(from: served) == "weights kept as int8 instead of f32")
        let both = try random.load(weights: .f16, scan: .associative).model.identity
        #expect(
            both.difference(from: served) == "scan associative instead of exact and weights kept as f16 instead of f32")
        let newer = try #require(ModelIdentity(values: ["3"] + served.values.dropFirst()))
        #expect(newer.difference(from: served) == "version 3 of the arithmetic instead of 2")
        let other = try RandomModel(seed: 4).load().model.identity
        #expect(other.difference(from: scan)!.hasSuffix(", another architecture and other tensors"))
        #expect(Set([served, scan, weights, both, newer, other].map(\.fingerprint)).count == 6)
    }

    @Test("an identity's text can be read again, and no other text can") func text() throws {
        let identity = try RandomModel().load(weights: .int8, scan: .associative).model.identity
        let text = identity.text
        #expect(ModelIdentity(text: text) == identity)
        #expect(text.hasPrefix("numerics=2 scan=associative weights=int8 architecture="))
        let digest = identity.tensors
        func with(_ old: String, _ new: String) -> String { text.replacing(old, with: new) }
        let others: [String] = [
            "", " ", "\(text) ", " \(text)", "\(text)\n", "\(text) x=y", "\(text) tensors=\(digest)",
            with("numerics=2", "numerics=0"), with("numerics=2", "numerics=-2"), with("numerics=2", "numerics=+2"),
            with("numerics=2", "numerics=02"), with("numerics=2", "numerics=99999999999999999999"),
            with("scan=associative", "scan="), with("scan=associative", "scan=Exact"),
            with("scan=associative", "scan=aaaaaaaaaaaaaaaaa"), with("scan=associative", "scan=ex\u{e4}ct"),
            with("scan", "weights"), with(digest, digest.uppercased()), with(digest, String(digest.dropLast())),
            with(digest, "\(digest)0"), with(digest, String(repeating: "0", count: 900)),
            with(" ", "  "), identity.values.joined(separator: " "), identity.fingerprint,
        ]
        for other in others { #expect(ModelIdentity(text: other) == nil, "\(other)") }
        // Words of another release are known for what they are.
        #expect(ModelIdentity(text: with("int8", "fp8-e4m3"))?.weights == "fp8-e4m3")
    }
}
