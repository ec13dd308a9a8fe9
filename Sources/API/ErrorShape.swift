import HTTP
import JSON

/// How a route tells of errors: in the shape that its clients read.
enum ErrorShape: Sendable {
    /// RFC 9457.
    case problem
    /// RFC 9457, with the `error` object of OpenAI's API beside its members.
    case openAI
    /// The Open Inference Protocol's `{"error": "…"}`.
    case openInference

    /// That of a path's routes, for errors that come before any route.
    init(of target: String) {
        self = target == "/v2" || target.hasPrefix("/v2/") ? .openInference : .problem
    }

    /// The reply for what a handler has thrown; nil for what is no error of the request.
    func response(_ error: any Error) -> Response? {
        switch error {
        case let problem as Problem: response(problem)
        case let error as HTTPError where error.status != .clientGone: response(Problem(error))
        default: nil
        }
    }

    func response(_ problem: Problem) -> Response {
        switch self {
        case .problem: problem.response
        case .openAI: OpenAIError(problem).problem.response
        case .openInference: OpenInferenceError(problem).response
        }
    }
}
