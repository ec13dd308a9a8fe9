import TestSupport
import Testing

@testable import Recurrent

@Suite("Biases of matrices that would be embeddings without them")
struct StrayBiasTests {
    @Test("the bias is named, not its weight") func biases() {
        let body = stack()
        for (hints, shapes, word) in [
            (nil, linear("emb", 9, 4) + body + linear("fc", 9, 6, bias: false), "tensor emb.bias"),
            (nil, linear("encoder", 9, 4) + body, "tensor encoder.bias"),
            (#", "input": "emb""#, linear("emb", 9, 4) + body, "tensor emb.bias"),
        ] as [(String?, Shapes, String)] {
            let text = failure { _ = try load(hints, shapes) }?.description ?? "it was loaded"
            #expect(text.contains(word), "\(text)")
            #expect(!text.contains(/has shape (\[[0-9, ]*\]), expected \1$/), "\(text)")
        }
    }
}
