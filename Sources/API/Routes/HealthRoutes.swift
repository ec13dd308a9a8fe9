import HTTP
import JSON

extension Service {
    /// `GET /livez`: the process answers.
    @Sendable func live(_ request: Request) async throws -> Response { Self.status("live") }

    /// `GET /readyz`: it takes new work.
    @Sendable func ready(_ request: Request) async throws -> Response {
        if request.isDraining { throw Problem.draining }
        return Self.status("ready")
    }

    /// `GET /openapi.yaml`: the full description of these routes.
    @Sendable func openAPI(_ request: Request) async throws -> Response {
        Response(type: "application/yaml", PackageResources.openapi_yaml)
    }

    private static func status(_ word: String) -> Response {
        var json = JSONWriter()
        json.beginObject()
        json.field("status", word)
        json.endObject()
        return Response(json: json)
    }
}
