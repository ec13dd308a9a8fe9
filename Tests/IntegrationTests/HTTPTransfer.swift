import CCurl
import Foundation

/// One libcurl easy handle, its connection, and the reply it is receiving. Used by one thread at a time.
///
/// All calls of libcurl's easy interface are here.
@safe final class HTTPTransfer {
    /// Longer than any test should wait.
    static let limitMilliseconds = 60_000

    // libcurl asks for this once per process, before any other call.
    private static let isReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    let handle: UnsafeMutableRawPointer
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private(set) var reply = HTTPReply()
    private var onPiece: (([UInt8]) -> Bool)?

    init() {
        precondition(Self.isReady, "libcurl does not start")
        unsafe handle = curl_easy_init()!
    }

    deinit {
        unsafe curl_easy_cleanup(handle)
        unsafe curl_slist_free_all(headerList)
    }

    /// Sets everything up for one request and forgets the last one; the connection stays open.
    func prepare(_ request: HTTPRequest, _ route: HTTPClient.Route, onPiece: (([UInt8]) -> Bool)?) {
        reply = HTTPReply()
        self.onPiece = onPiece
        unsafe curl_easy_reset(handle)
        unsafe curl_slist_free_all(headerList)
        unsafe headerList = nil

        // The body of a request may be long and the server may refuse it early; no pause for "100 Continue" by default.
        var headers = request.headers
        for (name, value) in [("Expect", ""), ("Content-Type", request.body == nil ? "" : "application/json")]
        where !headers.contains(where: { $0.0.lowercased() == name.lowercased() }) {
            headers.append((name, value))
        }
        for (name, value) in headers {
            unsafe headerList = curl_slist_append(headerList, value.isEmpty ? "\(name):" : "\(name): \(value)")
        }

        unsafe ccurl_set_string(handle, CURLOPT_URL, route.origin + request.path)
        unsafe ccurl_set_long(handle, CURLOPT_PATH_AS_IS, 1)
        unsafe ccurl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        unsafe ccurl_set_string(handle, CURLOPT_NOPROXY, "*")
        unsafe ccurl_set_long(handle, CURLOPT_TIMEOUT_MS, Self.limitMilliseconds)
        unsafe ccurl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        unsafe ccurl_set_list(handle, CURLOPT_HTTPHEADER, headerList)
        if let path = route.socket { unsafe ccurl_set_string(handle, CURLOPT_UNIX_SOCKET_PATH, path) }
        if let tls = route.tls {
            unsafe ccurl_set_string(handle, CURLOPT_CAINFO, tls.authority)
            unsafe ccurl_set_long(handle, CURLOPT_SSLVERSION, tls.version)
            if let (certificate, key) = tls.client {
                unsafe ccurl_set_string(handle, CURLOPT_SSLCERT, certificate)
                unsafe ccurl_set_string(handle, CURLOPT_SSLKEY, key)
            }
        }
        if let body = request.body {
            unsafe ccurl_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, body.count)
            // One byte more than is sent: with no address libcurl would read a body from standard input.
            unsafe (body + [0]).withUnsafeBytes { bytes in
                _ = unsafe ccurl_set_pointer(handle, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress)
            }
        }
        if request.method == "HEAD" {
            unsafe ccurl_set_long(handle, CURLOPT_NOBODY, 1)
        } else {
            unsafe ccurl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method)
        }

        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe ccurl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        unsafe ccurl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        unsafe ccurl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { bytes, _, count, context in
            let line = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
            unsafe Unmanaged<HTTPTransfer>.fromOpaque(context!).takeUnretainedValue()
                .receive(headerLine: String(decoding: line, as: UTF8.self))
            return count
        }
        unsafe ccurl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { bytes, _, count, context in
            let piece = unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))
            let goesOn = unsafe Unmanaged<HTTPTransfer>.fromOpaque(context!).takeUnretainedValue().receive(piece: piece)
            return goesOn ? count : 0
        }
    }

    /// Runs the prepared request to its end on the calling thread.
    func perform() throws -> HTTPReply {
        try finish(unsafe curl_easy_perform(handle))
    }

    /// The reply of a transfer that ended with `result`.
    func finish(_ result: CURLcode) throws -> HTTPReply {
        onPiece = nil
        guard result == CURLE_OK || reply.isAborted else {
            throw HTTPClientError(description: unsafe String(cString: curl_easy_strerror(result)))
        }
        var connections = 0
        unsafe ccurl_get_long(handle, CURLINFO_NUM_CONNECTS, &connections)
        reply.newConnections = connections
        return reply
    }

    private func receive(headerLine line: String) {
        let line = line.trimmingCharacters(in: .whitespacesAndNewlines)
        if line.hasPrefix("HTTP/") {
            reply.status = Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
            reply.headers = [:]
        } else if let colon = line.firstIndex(of: ":") {
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            reply.headers[name] = reply.headers[name].map { "\($0), \(value)" } ?? value
        }
    }

    private func receive(piece: [UInt8]) -> Bool {
        guard let onPiece else {
            reply.body += piece
            return true
        }
        reply.isAborted = !onPiece(piece)
        return !reply.isAborted
    }
}
