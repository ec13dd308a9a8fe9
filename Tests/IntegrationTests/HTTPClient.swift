import CCurl

/// A small blocking HTTP client of one server. It keeps its connection open from request to request.
final class HTTPClient {
    /// What a client must know of TLS.
    struct TLS {
        /// The file of certificates that lead to the server's.
        var authority: String
        /// One of libcurl's versions, which may name a lowest and a highest.
        var version = CURL_SSLVERSION_DEFAULT
        /// Files of the client's own certificate and its key.
        var client: (certificate: String, key: String)?
    }

    /// How to come to a server.
    struct Route {
        /// Scheme, host and port.
        var origin: String
        /// A socket of the file system that stands for host and port.
        var socket: String?
        var tls: TLS?
    }

    let route: Route
    private let transfer = HTTPTransfer()

    init(port: Int) { route = Route(origin: "http://127.0.0.1:\(port)") }

    init(_ route: Route) { self.route = route }

    /// A body without a `Content-Type` among the headers is called JSON.
    func request(
        _ method: String, _ path: String, body: [UInt8]? = nil, headers: [(String, String)] = []
    ) throws -> HTTPReply {
        try perform(HTTPRequest(method, path, body: body, headers: headers))
    }

    func request(
        _ method: String, _ path: String, json: String, headers: [(String, String)] = []
    ) throws -> HTTPReply {
        try perform(HTTPRequest(method, path, json: json, headers: headers))
    }

    func perform(_ request: HTTPRequest) throws -> HTTPReply {
        transfer.prepare(request, route, onPiece: nil)
        return try transfer.perform()
    }

    /// Hands over each piece of the body as it comes, cut wherever the network cut it; on `false` the connection is
    /// closed and the reply says that it was aborted.
    func stream(_ request: HTTPRequest, onPiece: @escaping ([UInt8]) -> Bool) throws -> HTTPReply {
        transfer.prepare(request, route, onPiece: onPiece)
        return try transfer.perform()
    }

    /// Sends all requests at once, each on a connection of its own, and returns the replies in their order.
    func performAtOnce(_ requests: [HTTPRequest]) throws -> [HTTPReply] {
        let transfers = requests.map { request in
            let transfer = HTTPTransfer()
            transfer.prepare(request, route, onPiece: nil)
            return transfer
        }
        let results = try unsafe HTTPClient.run(transfers.map { unsafe $0.handle })
        return try zip(transfers, results).map { transfer, result in try transfer.finish(result) }
    }

    /// The results of transfers driven side by side on the calling thread.
    private static func run(_ handles: [UnsafeMutableRawPointer]) throws -> [CURLcode] {
        let multi = unsafe curl_multi_init()!
        defer { unsafe curl_multi_cleanup(multi) }
        for index in unsafe handles.indices { unsafe curl_multi_add_handle(multi, handles[index]) }
        defer { for index in unsafe handles.indices { unsafe curl_multi_remove_handle(multi, handles[index]) } }

        var results = unsafe [CURLcode](repeating: CURLE_OK, count: handles.count)
        var running: Int32 = 1
        while running > 0 {
            var code = unsafe curl_multi_perform(multi, &running)
            if code == CURLM_OK, running > 0 { code = unsafe curl_multi_poll(multi, nil, 0, 1000, nil) }
            guard code == CURLM_OK else {
                throw HTTPClientError(description: unsafe String(cString: curl_multi_strerror(code)))
            }
            var queued: Int32 = 0
            while let message = unsafe curl_multi_info_read(multi, &queued) {
                var result = CURLE_OK
                guard let finished = unsafe ccurl_finished(message, &result) else { continue }
                if let index = unsafe handles.firstIndex(of: finished) { results[index] = result }
            }
        }
        return results
    }
}
