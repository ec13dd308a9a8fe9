import HTTP
import Testing

@testable import API

@Suite("Replies that are kept for requests that come again")
struct KeptReplyTests {
    private func bytes(_ response: Response) -> [UInt8] {
        if case .bytes(let bytes) = response.body { bytes } else { [] }
    }

    @Test("a reply of JSON is kept as its content") func json() throws {
        let content = Array(#"{"step":1}"#.utf8)
        #expect(Response(.ok, type: "application/json", content).kept == content)
        let again = try #require(Response(kept: content))
        #expect(again.status == .ok && again.fields["content-type"] == "application/json" && bytes(again) == content)
    }

    private static let full = Response(
        .created,
        fields: [
            "content-type": "application/octet-stream", "location": "/v1/sessions/é", "etag": "\"0a\"",
            "inference-header-content-length": "2",
        ], body: .bytes([0, 1, 2, 255]))

    @Test("any other comes back with its status, its fields and its content") func others() throws {
        var plain = Response(.ok, type: "application/json", [0])
        let zero = try #require(Response(kept: plain.kept))
        #expect(bytes(zero) == [0])
        plain = Response(.created, type: "application/json", Array("{}".utf8))
        for response in [Self.full, plain, Response(.ok, fields: ["etag": "\"\""])] {
            let again = try #require(Response(kept: response.kept))
            #expect(again.status.code == response.status.code && bytes(again) == bytes(response))
            #expect(again.fields.pairs.map(\.name) == response.fields.pairs.map(\.name))
            #expect(again.fields.pairs.map(\.value) == response.fields.pairs.map(\.value))
        }
    }

    @Test("bytes that a disk has changed are refused or are another reply, and trap nothing") func damaged() {
        let kept = Self.full.kept
        let head = kept.count - 4
        for count in 1..<head { #expect(Response(kept: Array(kept[..<count])) == nil) }
        for index in kept.indices {
            for bit in 0..<8 {
                var damaged = kept
                damaged[index] ^= 1 << UInt8(bit)
                _ = Response(kept: damaged)
            }
        }
        #expect(Response(kept: []) != nil && Response(kept: [0]) == nil)
        #expect(Response(kept: [0, 0, 200, 1, 0, 0, 0, 0]) == nil, "a field without a name")
        #expect(Response(kept: [0, 0, 204, 0]) == nil, "a status that is never kept")
    }
}
