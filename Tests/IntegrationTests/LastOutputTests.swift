import Foundation
import TestSupport
import Testing

@Suite("The last output, asked for again", .server(LiveModels.both))
struct LastOutputTests {
    @Test(
        "it is that of the last step, byte for byte, and asking for it moves nothing",
        arguments: ["letters", "vectors"])
    func again(model: String) throws {
        let client = try LiveServer.client()
        let inputs = LiveInputs(for: model, 5, seed: 11)
        let id = "again-\(model)"
        try client.create(id, of: model)
        let query = model == "letters" ? "?logits=true" : ""
        for index in inputs.steps.indices {
            let step = try client.act("step", on: id, inputs.step(index) + inputs.wholeOutput)
            let tag = try client.get("/v1/sessions/\(id)/state").headers["etag"]
            for _ in 0..<2 {
                let reply = try client.get("/v1/sessions/\(id)/output" + query)
                #expect(reply.status == 200 && reply.headers["cache-control"] == "no-store")
                #expect(reply.text == step.text)
            }
            #expect(try client.get("/v1/sessions/\(id)/state").headers["etag"] == tag)
        }
        #expect(try client.step(of: id) == 5)
    }

    @Test("a reply that a stream has lost is there, with what the stream would have said") func stream() throws {
        let client = try LiveServer.client()
        try client.create("cut", of: "letters")
        let socket = try LiveServer.socket()
        let line = "{\"token\":4,\"top_logprobs\":3}\n"
        try socket.send("POST /v1/sessions/cut/stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try socket.send("\(String(line.utf8.count, radix: 16))\r\n\(line)\r\n")
        #expect(try socket.read(until: "\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        _ = try socket.read(until: "\r\n")
        let answer = try socket.read(until: "\n")
        let reply = try client.get("/v1/sessions/cut/output?top_logprobs=3")
        #expect(try "{\"step\":1,\"output\":\(reply.raw("output"))}\n" == answer)
        #expect(try reply.int("step") == 1)
    }

    @Test("what it says is chosen as elsewhere, and what is no choice is refused") func choices() throws {
        let client = try LiveServer.client()
        try client.create("asked", of: "letters", #","tokens":[3,1]"#)
        let path = "/v1/sessions/asked/output"
        let plain = try client.get(path)
        #expect(try !plain.raw("output").contains("logits") && plain.raw("output").hasPrefix("{\"top\":[{"))
        #expect(try RawJSON.elements(RawJSON.member("top", of: client.get(path + "?top_logprobs=4").text)!).count == 4)
        #expect(try client.get(path + "?logits=false").text == plain.text)
        #expect(try client.request("HEAD", path).status == 200)
        for query in [
            "logits=yes", "logits=", "top_logprobs=0", "top_logprobs=1001", "top_logprobs=x", "top_logprobs=%2B3",
        ] {
            try client.get("\(path)?\(query)").expectProblem(
                422, "invalid-input", mentioning: query.split(separator: "=")[0] + " must")
        }
        try client.get(path + "?top=3").expectProblem(422, "invalid-input", mentioning: "\"top\"")
        try client.create("asked-vectors", of: "vectors", #","vectors":[[1,2,3]]"#)
        try client.get("/v1/sessions/asked-vectors/output?logits=true").expectProblem(
            422, "invalid-input", mentioning: "gives vectors")
        try client.post(path, "{}").expectProblem(405, "method-not-allowed")
    }

    @Test("a session that has absorbed nothing says so, also after a rewind to step 0") func nothing() throws {
        let client = try LiveServer.client()
        try client.get("/v1/sessions/nobody/output").expectProblem(404, "session-not-found")
        try client.create("new", of: "letters")
        try client.get("/v1/sessions/new/output").expectProblem(404, "output-not-found", mentioning: "absorbed nothing")
        _ = try client.act("step", on: "new", #""token":1"#)
        #expect(try client.get("/v1/sessions/new/output").status == 200)
        _ = try client.act("rewind", on: "new", #""to_step":0"#)
        let reply = try client.get("/v1/sessions/new/output")
        try reply.expectProblem(404, "output-not-found", mentioning: "absorbed nothing")
        #expect(try reply.int("step") == 0)
    }

    @Test("it is recomputed from the disk after a kill") func restarted() throws {
        let (folder, state) = (TemporaryFolder(), TemporaryFolder())
        LiveModels.vectors(folder)
        let arguments = ["--state-dir", state.path + "/s", "--durability", "sync"]
        var server = try ServerProcess(serving: folder, arguments)
        let inputs = LiveInputs(for: "vectors", 3, seed: 2)
        try server.client().create("robot", of: "vectors")
        var last = ""
        for index in 0..<3 { last = try server.client().act("step", on: "robot", inputs.step(index)).text }
        server.send(signal: SIGKILL)
        server.waitForExit()
        server = try ServerProcess(serving: folder, arguments)
        #expect(try server.client().get("/v1/sessions/robot/output").text == last)
        #expect(server.terminate() == 0)
    }
}
