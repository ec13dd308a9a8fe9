import TestSupport
import Testing

@Suite("The log of a model of which config.json leaves modules out")
struct LeftOutLogTests {
    @Test("the log names in one line what config.json leaves out") func leftOut() throws {
        let folder = TemporaryFolder()
        var random = SeededGenerator(seed: 3)
        let shapes = ["encoder", "decoder"].flatMap { name in
            [
                ("\(name).rnn.weight_ih_l0", [18, 4]), ("\(name).rnn.weight_hh_l0", [18, 6]),
                ("\(name).fc.weight", [3, 6]),
            ]
        }
        folder.write(
            "pair/model.safetensors",
            Safetensors.data(
                shapes.map { name, shape in
                    (name, shape, (0..<shape.reduce(1, *)).map { _ in random.float() })
                }))
        folder.write("pair/config.json", #"{"layout": "torch", "stack": "decoder.rnn", "output": "decoder.fc"}"#)
        let server = try ServerProcess(serving: folder)
        #expect(try server.client().get("/v1/models/pair").int("parameters") == 18 * 10 + 18)
        #expect(server.terminate() == 0)
        let lines = server.errorText.split(separator: "\n").filter { $0.contains("leaves out") }
        #expect(lines.count == 1)
        let words = "pair: config.json leaves out modules of the file: encoder.fc, encoder.rnn"
        #expect(lines.first?.hasSuffix(words) == true, "\(server.errorText)")
        #expect(server.errorText.contains("parameters=198"))
    }
}
