import JSON
import TestSupport
import Testing

@Suite("Sessions", .server(LiveModels.both))
struct SessionTests {
    @Test("the scan is the request's or else the model's, and replies tell it") func scans() throws {
        let client = try LiveServer.client()
        #expect(try client.get("/v1/models/letters").string("scan") == "exact")
        for (asked, used) in [
            ("", "exact"), (",\"scan\":\"exact\"", "exact"), (",\"scan\":\"associative\"", "associative"),
        ] {
            let made = try client.post("/v1/sessions", "{\"model\":\"letters\",\"text\":\"abcabc\"\(asked)}")
            #expect(try made.string("scan") == used)
            #expect(try client.act("prefill", on: made.string("id"), "\"text\":\"abc\"\(asked)").string("scan") == used)
            let body = "{\"model\":\"letters\",\"sequences\":[{\"text\":\"abcabc\"}]\(asked)}"
            let results = try client.post("/v1/prefill", body).raw("results")
            #expect(RawJSON.member("scan", of: RawJSON.elements(results)[0]) == "\"\(used)\"")
        }
    }

    @Test("a session without an id gets one of 128 random bits and an address")
    func serverMadeID() throws {
        let client = try LiveServer.client()
        let reply = try client.post("/v1/sessions", #"{"model":"letters"}"#)
        #expect(reply.status == 201)
        let id = try reply.string("id")
        #expect(id.count == 32 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(reply.headers["location"] == "/v1/sessions/" + id)
        let session = try reply.json
        #expect(session["object"]?.string == "session")
        #expect(session["model"]?.string == "letters")
        #expect(session["step"]?.int == 0)
        #expect(session["output"] == nil)
        #expect(try reply.string("expires_at").hasSuffix("Z"))
        let times = try [reply.string("created_at"), reply.string("last_used_at")]
        for time in times { #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil) }
        let model = try client.get("/v1/models/letters").json
        #expect(session["state_bytes"]?.int == model["state_bytes"]?.int)

        let again = try client.get("/v1/sessions/" + id)
        #expect(again.status == 200)
        #expect(try again.json["id"]?.string == id)
        #expect(try client.post("/v1/sessions", #"{"model":"letters"}"#).string("id") != id)
    }

    @Test(
        "a client may name its session",
        arguments: ["a", "7", "robot-1.arm:left_2", String(repeating: "x", count: 128)])
    func ownID(id: String) throws {
        let client = try LiveServer.client()
        let reply = try client.create(id, of: "vectors")
        #expect(try reply.string("id") == id)
        #expect(reply.headers["location"] == "/v1/sessions/" + id)
        try client.post("/v1/sessions", "{\"model\":\"letters\",\"id\":\"\(id)\"}").expectProblem(409, "session-exists")
        #expect(try client.get("/v1/sessions/" + id).string("model") == "vectors")
    }

    @Test(
        "a name that breaks the rules is refused",
        arguments: ["", "-a", ".a", ":a", "_a", "a b", "a/b", "é", "a\\n", String(repeating: "x", count: 129)])
    func invalidID(id: String) throws {
        let client = try LiveServer.client()
        try client.post("/v1/sessions", "{\"model\":\"letters\",\"id\":\"\(id)\"}").expectProblem(422, "invalid-input")
        try client.post(
            "/v1/prefill", "{\"model\":\"letters\",\"sequences\":[{\"tokens\":[1],\"create\":\"\(id)\"}]}"
        ).expectProblem(422, "invalid-input")
    }

    @Test("a session ends when its time has come, and says so; 0 is no limit") func expiry() throws {
        let client = try LiveServer.client()
        try client.create("brief", of: "letters", #","tokens":[1,2],"lifetime_seconds":0.001"#)
        try client.create("unused", of: "letters", #","idle_seconds":0.001"#)
        try client.create("lasting", of: "letters", #","idle_seconds":0,"lifetime_seconds":0"#)
        for (id, step) in [("brief", 2), ("unused", 0)] {
            var reply = try client.get("/v1/sessions/\(id)")
            for _ in 0..<10_000 where reply.status == 200 { reply = try client.get("/v1/sessions/\(id)") }
            try reply.expectProblem(410, "session-gone", mentioning: "expired")
            #expect(try reply.string("reason") == "expired" && reply.int("last_step") == step)
            try client.post("/v1/sessions/\(id)/step", #"{"token":1}"#).expectProblem(410, "session-gone")
        }
        let lasting = try client.get("/v1/sessions/lasting")
        #expect(lasting.status == 200)
        #expect(try lasting.json["expires_at"]?.isNull == true)
        for wrong in ["-1", "0.0001", "1e10", "\"1\"", "true"] {
            try client.post("/v1/sessions", "{\"model\":\"letters\",\"idle_seconds\":\(wrong)}")
                .expectProblem(422, "invalid-input", mentioning: "idle_seconds")
        }
    }

    @Test("a deleted session is gone with its reason and last step, and its name may be taken again")
    func delete() throws {
        let client = try LiveServer.client()
        try client.create("mayfly", of: "letters", #","tokens":[1,2,3]"#)
        let deleted = try client.request("DELETE", "/v1/sessions/mayfly")
        #expect(deleted.status == 204)
        #expect(deleted.body.isEmpty)
        let replies = [
            try client.get("/v1/sessions/mayfly"), try client.request("DELETE", "/v1/sessions/mayfly"),
            try client.post("/v1/sessions/mayfly/step", #"{"token":1}"#),
            try client.post("/v1/sessions/mayfly/prefill", #"{"tokens":[1]}"#),
            try client.post("/v1/sessions/mayfly/generate", "{}"),
        ]
        for reply in replies {
            try reply.expectProblem(410, "session-gone")
            #expect(try reply.string("reason") == "deleted")
            #expect(try reply.int("last_step") == 3)
        }
        try client.create("mayfly", of: "vectors")
        #expect(try client.step(of: "mayfly") == 0)
    }

    @Test("an unknown session is unknown to every route") func unknown() throws {
        let client = try LiveServer.client()
        let replies = [
            try client.get("/v1/sessions/nobody"), try client.request("DELETE", "/v1/sessions/nobody"),
            try client.post("/v1/sessions/nobody/step", #"{"token":1}"#),
            try client.post("/v1/sessions/nobody/prefill", #"{"tokens":[1]}"#),
            try client.post("/v1/sessions/nobody/generate", #"{"tokens":[1]}"#),
            try client.post("/v1/prefill", #"{"model":"letters","sequences":[{"tokens":[1],"session":"nobody"}]}"#),
            try client.get("/v1/sessions?after=nobody"),
        ]
        for reply in replies { try reply.expectProblem(404, "session-not-found", mentioning: "nobody") }
    }

    @Test("an operation on a session that expects another step is refused with the true one, and nothing moves")
    func expectedStep() throws {
        let client = try LiveServer.client()
        try client.create("counted", of: "letters", #","tokens":[1,2]"#)
        for expected in [0, 1, 3, 1_000_000] {
            let bodies = ["step": #""token":1"#, "prefill": #""tokens":[1,2]"#, "generate": #""max_tokens":2"#]
            for (operation, members) in bodies {
                let reply = try client.post(
                    "/v1/sessions/counted/" + operation, "{\(members),\"expected_step\":\(expected)}")
                try reply.expectProblem(412, "step-mismatch")
                #expect(try reply.int("step") == 2)
            }
        }
        #expect(try client.step(of: "counted") == 2)
        #expect(try client.act("step", on: "counted", #""token":1,"expected_step":2"#).int("step") == 3)
        #expect(try client.act("prefill", on: "counted", #""tokens":[1,2],"expected_step":3"#).int("step") == 5)
        #expect(try client.act("generate", on: "counted", #""max_tokens":2,"expected_step":5"#).int("step") == 7)
    }

    @Test("a prefill moves old sessions, makes new ones and keeps nothing of the rest") func prefillTargets() throws {
        let client = try LiveServer.client()
        try client.create("target", of: "letters", #","tokens":[5]"#)
        let reply = try client.post(
            "/v1/prefill",
            """
            {"model":"letters","sequences":[{"tokens":[1,2],"session":"target"},{"text":"abc","create":"fresh"},
            {"tokens":[3],"create":true},{"tokens":[4]},{"tokens":[4],"create":"fresh"},
            {"tokens":[4],"session":"target","expected_step":9}]}
            """)
        let results = Array(try #require(try reply.json["results"]).elements)
        try #require(results.count == 6)
        #expect(results.map { $0["index"]?.int } == [0, 1, 2, 3, 4, 5])
        #expect(results.map { $0["step"]?.int } == [3, 3, 1, 1, nil, nil])
        #expect(results[0]["session"]?.string == "target")
        #expect(results[1]["session"]?.string == "fresh")
        let made = try #require(results[2]["session"]?.string)
        #expect(made.count == 32)
        #expect(results[3]["session"]?.isNull == true)
        #expect(results[4]["error"]?["status"]?.int == 409)
        #expect(results[5]["error"]?["status"]?.int == 412)
        #expect(results[5]["error"]?["step"]?.int == 3)
        #expect(try [client.step(of: "target"), client.step(of: "fresh"), client.step(of: made)] == [3, 3, 1])
    }
}
