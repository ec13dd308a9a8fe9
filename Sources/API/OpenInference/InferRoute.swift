import FoundationEssentials
import HTTP
import Inference
import JSON
import Recurrent

extension Service {
    /// `POST /v2/models/{model}/infer`, and of a version.
    @Sendable func infer(_ request: Request) async throws -> Response {
        let served = try versioned(request)
        return try await measured(served, request) { () async throws(Problem) in
            let body: [UInt8]
            do throws(HTTPError) { body = try await request.body() } catch { throw Problem(error) }
            let asked = try InferRequest(body, served, self, request)
            let reply = { @Sendable (completions: [Completion]) in InferReply(asked, completions).response }
            var works = asked.works
            if try mayKeepKey(of: request, asked.sequence) {
                works[0].idempotency = try idempotency(of: request, body) { reply([$0]) }
            }
            var completions: [Completion] = []
            for result in await scheduler.run(works) {
                do throws(InferenceError) { completions.append(try result.get()) } catch { throw Problem(error) }
            }
            return (try Response(completions[0], or: { _ in reply(completions) }), completions)
        }
    }

    /// Whether there is a session with which a key could be kept. A key is refused where there is none.
    func mayKeepKey(of request: Request, _ sequence: SequenceParameters?) throws(Problem) -> Bool {
        guard let sequence else {
            try request.refuseKey("it is kept with a sequence, and this request belongs to none.")
            return false
        }
        if sequence.ends { try request.refuseKey("it is kept with the sequence, which this request ends.") }
        return true
    }

    /// Runs a request and counts it among its model's.
    func measured(
        _ served: ServedModel, _ request: Request,
        _ body: () async throws(Problem) -> (Response, [Completion])
    ) async throws(Problem) -> Response {
        let started = ContinuousClock.now
        do throws(Problem) {
            let (response, completions) = try await body()
            inferStatistics.note(served.id, completions, took: ContinuousClock.now - started, at: clock())
            return response
        } catch {
            inferStatistics.noteFailure(served.id, took: ContinuousClock.now - started)
            throw error
        }
    }
}

/// What came of a request to infer, as tensors.
private struct InferReply {
    private let asked: InferRequest
    private let completions: [Completion]

    init(_ asked: InferRequest, _ completions: [Completion]) { (self.asked, self.completions) = (asked, completions) }

    var response: Response {
        var json = JSONWriter(capacity: 1024)
        var binary: [UInt8] = []
        json.beginObject()
        json.field("model_name", asked.served.id)
        json.field("model_version", asked.served.version)
        if let id = asked.id { json.field("id", id) }
        if let sequence = asked.sequence {
            json.key("parameters")
            json.beginObject()
            sequence.write(to: &json)
            json.field("step", completions[0].step)
            json.endObject()
        }
        json.key("outputs")
        json.beginArray()
        for (name, isBinary) in asked.outputs {
            if name == "state" {
                writeStates(isBinary, &json, &binary)
            } else {
                writeValues(name, isBinary, &json, &binary)
            }
        }
        json.endArray()
        json.endObject()
        guard !binary.isEmpty else { return Response(json: json) }
        let fields: HeaderFields = [
            "content-type": "application/octet-stream", "inference-header-content-length": String(json.bytes.count),
        ]
        return Response(fields: fields, body: .bytes(json.bytes + binary))
    }

    /// FP32 [batch, time, size].
    private func writeValues(_ name: String, _ isBinary: Bool, _ json: inout JSONWriter, _ binary: inout [UInt8]) {
        let shape = [completions.count, asked.steps, InferSignature(asked.served).outputSize]
        begin(name, .float32, shape, &json)
        if isBinary {
            let start = binary.count
            binary.reserveCapacity(start + 4 * shape.reduce(1, *))
            for completion in completions {
                for value in completion.outputs { Self.append(value.bitPattern, to: &binary) }
            }
            writeSize(binary.count - start, &json)
        } else {
            json.key("data")
            json.floats(completions.lazy.flatMap(\.outputs))
        }
        json.endObject()
    }

    /// BYTES [batch].
    private func writeStates(_ isBinary: Bool, _ json: inout JSONWriter, _ binary: inout [UInt8]) {
        begin("state", .bytes, [completions.count], &json)
        let files = completions.map { completion in
            StateFile.encode(
                completion.state!, step: completion.step, of: asked.served.model, called: asked.served.id
            ).bytes
        }
        if isBinary {
            let start = binary.count
            for file in files {
                Self.append(UInt32(file.count), to: &binary)
                binary += file
            }
            writeSize(binary.count - start, &json)
        } else {
            json.key("data")
            json.beginArray()
            for file in files { json.string(Data(file).base64EncodedString()) }
            json.endArray()
        }
        json.endObject()
    }

    private func begin(_ name: String, _ type: TensorDatatype, _ shape: [Int], _ json: inout JSONWriter) {
        json.beginObject()
        json.field("name", name)
        json.field("datatype", type.rawValue)
        json.key("shape")
        json.ints(shape)
    }

    private func writeSize(_ bytes: Int, _ json: inout JSONWriter) {
        json.key("parameters")
        json.beginObject()
        json.field("binary_data_size", bytes)
        json.endObject()
    }

    /// Little-endian.
    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
