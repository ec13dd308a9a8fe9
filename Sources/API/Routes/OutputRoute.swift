import HTTP
import Inference
import JSON
import Sessions

extension Service {
    /// `GET /v1/sessions/{id}/output?logits&top_logprobs`: the output of the session's last step again, for a client that
    /// has lost the reply. It is computed from the state, with the bytes that it had, and moves nothing.
    @Sendable func getOutput(_ request: Request) async throws -> Response {
        let (record, served) = try session(request.parameters["id"], request)
        var work = request.work(served, .session(record.id))
        (work.serial, work.action) = (record.serial, .tellOutput)
        work.deadline = try deadline(of: request)
        let options = try OutputOptions(query: request.head.query, served)
        let completion: Completion
        do throws(InferenceError) {
            completion = try await scheduler.run(work)
        } catch .nothingAbsorbed {
            throw Problem(
                .notFound, "output-not-found",
                "Session \"\(record.name)\" is at step 0: it has absorbed nothing, so it has no output."
            ).with("step", 0)
        } catch {
            throw Problem(error)
        }
        var json = JSONWriter()
        Self.write(completion, StepWork(work: work, session: record.name, served: served, options: options), to: &json)
        var response = Response(json: json)
        response.fields["cache-control"] = "no-store"
        return response
    }
}
