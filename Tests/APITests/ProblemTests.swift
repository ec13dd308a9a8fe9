import HTTP
import Inference
import JSON
import Sessions
import Testing

@testable import API

@Suite("Problems in the shape of RFC 9457")
struct ProblemTests {
    private func json(_ problem: Problem) throws -> JSONValue {
        guard case .bytes(let bytes) = problem.response.body else { throw Problem.invalid("no bytes") }
        return try JSONDocument(parsing: bytes).root
    }

    @Test("the standard members, the title from the slug, and further members") func shape() throws {
        var problem = Problem(.preconditionFailed, "step-mismatch", "A \"detail\"\n").with("step", 7).with("why", "é")
        problem.fields["retry-after"] = "1"
        let value = try json(problem)
        #expect(value.members.map(\.key) == ["type", "title", "status", "detail", "step", "why"])
        #expect(value["type"]?.string == "urn:scanstep:step-mismatch")
        #expect(value["title"]?.string == "Step mismatch")
        #expect(value["status"]?.int == 412)
        #expect(value["detail"]?.string == "A \"detail\"\n")
        #expect(value["step"]?.int == 7 && value["why"]?.string == "é")
        let response = problem.response
        #expect(response.status.code == 412)
        #expect(response.fields["content-type"] == "application/problem+json")
        #expect(response.fields["retry-after"] == "1")
    }

    @Test(
        "each failure of an operation has its status, slug and members",
        arguments: [
            (.session(.unknown(id: "a")), 404, "session-not-found", [:]),
            (.session(.otherModel(id: "a", model: "m")), 409, "state-model-mismatch", [:]),
            (.session(.gone(id: "a", reason: .evicted, lastStep: 9)), 410, "session-gone", ["last_step": 9]),
            (.session(.checkpointDamaged(name: "c")), 410, "checkpoint-damaged", [:]),
            (.session(.exists(id: "a")), 409, "session-exists", [:]),
            (.session(.storeFull(needed: 9, budget: 5)), 507, "session-store-full", ["limit": 5]),
            (.session(.namesFull(sessions: 3, room: 4, budget: 5)), 507, "session-store-full", ["limit": 5]),
            (.stepMismatch(expected: 3, step: 4), 412, "step-mismatch", ["step": 4]),
            (.nonFinite(step: 6), 422, "non-finite-state", ["step": 6]),
            (.nothingAbsorbed, 422, "invalid-input", [:]),
            (.queueFull(limit: 8), 429, "queue-full", ["limit": 8, "retry_after_ms": 1000]),
            (.sessionQueueFull(limit: 2), 429, "session-queue-full", ["limit": 2, "retry_after_ms": 1000]),
            (.draining, 503, "draining", [:]),
        ] as [(InferenceError, Int, String, [String: Int])])
    func failures(error: InferenceError, status: Int, slug: String, members: [String: Int]) throws {
        let problem = Problem(error)
        let value = try json(problem)
        #expect(problem.status.code == status && value["status"]?.int == status)
        #expect(value["type"]?.string == "urn:scanstep:" + slug)
        for (name, number) in members { #expect(value[name]?.int == number, "\(name)") }
        #expect((problem.response.fields["retry-after"] != nil) == [429, 503].contains(status))
        #expect(value["detail"]?.string?.hasSuffix(".") == true)
    }

    @Test("what the system says of its files is for the log, not for clients") func paths() throws {
        for error in [StoreError.failed(what: "/srv/x was removed"), .damaged(what: "/srv/x"), .inUse] {
            let value = try json(Problem(.store(error)))
            #expect(value["type"]?.string == "urn:scanstep:state-dir-failed")
            #expect(value["detail"]?.string?.contains("/srv") == false)
        }
    }

    @Test("what is gone says why") func reasons() throws {
        for reason in [SessionError.GoneReason.deleted, .evicted] {
            let value = try json(Problem(.gone(id: "x", reason: reason, lastStep: 0)))
            #expect(value["reason"]?.string == reason.rawValue)
        }
    }
}
