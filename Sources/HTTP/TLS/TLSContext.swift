import COpenSSL
import Glibc

/// Certificate, key and rules of a server's side of TLS 1.2 and 1.3, as read from files at one time.
///
/// OpenSSL lets any thread make sessions of a context that is no longer changed, and none is after `init`: that makes
/// `@unchecked Sendable` true.
@safe final class TLSContext: @unchecked Sendable {
    fileprivate let pointer: OpaquePointer

    /// - Throws: what is wrong with which file.
    init(_ files: TLSFiles) throws(TLSError) {
        guard let pointer = unsafe SSL_CTX_new(TLS_server_method()) else {
            throw TLSError("OpenSSL cannot be used: \(TLSError.lastReason)")
        }
        unsafe self.pointer = pointer
        ERR_clear_error()
        guard unsafe copenssl_harden(pointer) == 1 else { throw TLSError("TLS 1.2: \(TLSError.lastReason)") }
        // Without it OpenSSL would ask for the pass phrase on the terminal.
        unsafe SSL_CTX_set_default_passwd_cb(pointer) { _, _, _, _ in 0 }
        try Self.requireReadable(files.certificate, "the certificate")
        try Self.requireReadable(files.key, "the key")
        guard unsafe SSL_CTX_use_certificate_chain_file(pointer, files.certificate) == 1 else {
            throw TLSError(
                "the certificate \(files.certificate): it holds no certificate in PEM (\(TLSError.lastReason))")
        }
        guard unsafe SSL_CTX_use_PrivateKey_file(pointer, files.key, SSL_FILETYPE_PEM) == 1 else {
            // It is compared with the certificate as soon as it is read.
            let isOther = copenssl_reason(ERR_peek_last_error()) == copenssl_is_other_key
            let fault =
                isOther ? "it is not that of the certificate" : "it holds no private key in PEM without a pass phrase"
            throw TLSError("the key \(files.key): \(fault) (\(TLSError.lastReason))")
        }
        guard unsafe SSL_CTX_check_private_key(pointer) == 1 else {
            throw TLSError("the key \(files.key): \(TLSError.lastReason)")
        }
        if let authority = files.clientAuthority {
            try Self.requireReadable(authority, "the clients' authority")
            guard unsafe SSL_CTX_load_verify_locations(pointer, authority, nil) == 1,
                let names = unsafe SSL_load_client_CA_file(authority)
            else { throw TLSError("the clients' authority \(authority): \(TLSError.lastReason)") }
            unsafe SSL_CTX_set_client_CA_list(pointer, names)
            unsafe SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        // Sessions are resumed with the authentication that they were made with.
        unsafe SSL_CTX_set_session_id_context(pointer, "scanstep", 8)
        unsafe SSL_CTX_set_alpn_select_cb(pointer, chooseProtocol, nil)
    }

    deinit { unsafe SSL_CTX_free(pointer) }

    /// OpenSSL's words for a file that it cannot open do not say why.
    private static func requireReadable(_ path: String, _ what: String) throws(TLSError) {
        guard unsafe access(path, R_OK) != 0 else { return }
        throw TLSError("\(what) \(path): \(unsafe String(cString: strerror(errno)))")
    }
}

/// RFC 7301: a client that offers protocols is told `http/1.1`, or `http/1.0` where it offers only that, or refused if
/// neither is among them.
private let chooseProtocol: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenLength, offered, offeredLength, _ in
    guard let offered = unsafe offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let list = unsafe UnsafeBufferPointer(start: offered, count: Int(offeredLength))
    for wanted in ["http/1.1", "http/1.0"] {
        var start = 0
        while start < list.count {
            let length = Int(unsafe list[start])
            let end = start + 1 + length
            guard end <= list.count else { break }
            if unsafe list[(start + 1)..<end].elementsEqual(wanted.utf8) {
                unsafe chosen?.pointee = offered + start + 1
                unsafe chosenLength?.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            start = end
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// One connection's TLS: bytes of the network go in and out as arrays, so it knows no socket. Used by one task.
@safe final class TLSSession {
    enum Outcome: Equatable {
        /// So many bytes were understood.
        case done(Int)
        /// More of the network's bytes are needed.
        case needsInput
        /// The peer has said that it will send no more.
        case ended
        /// The connection cannot be used any more, for this reason.
        case failed(String)
        /// The peer speaks HTTP without TLS.
        case isPlain
    }

    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    init?(_ context: TLSContext) {
        guard let session = unsafe SSL_new(context.pointer) else { return nil }
        guard let incoming = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(session)
            return nil
        }
        guard let outgoing = unsafe BIO_new(BIO_s_mem()) else {
            unsafe BIO_free(incoming)
            unsafe SSL_free(session)
            return nil
        }
        unsafe copenssl_waits_when_empty(incoming)
        unsafe copenssl_waits_when_empty(outgoing)
        // The session owns both from here on.
        unsafe SSL_set_bio(session, incoming, outgoing)
        unsafe SSL_set_accept_state(session)
        unsafe (self.session, self.incoming, self.outgoing) = (session, incoming, outgoing)
    }

    deinit { unsafe SSL_free(session) }

    /// Takes bytes that came from the network.
    func receive(_ bytes: [UInt8]) {
        let count = unsafe bytes.withUnsafeBytes { unsafe BIO_write(incoming, $0.baseAddress, Int32($0.count)) }
        precondition(Int(count) == bytes.count, "a BIO of memory took \(count) of \(bytes.count) bytes")
    }

    /// Goes on with the handshake; `done` when it is complete.
    func handshake() -> Outcome {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(session)
        return result == 1 ? .done(0) : outcome(result)
    }

    /// Appends what the bytes received say, at most 64 KiB, to `bytes`.
    func decrypt(into bytes: inout [UInt8]) -> Outcome {
        let size = 16 << 10
        let before = bytes.count
        // A session's error belongs to the queue of its thread, which others share.
        ERR_clear_error()
        let result = unsafe withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
            while bytes.count - before < 64 << 10 {
                let count = unsafe SSL_read(session, buffer.baseAddress, Int32(size))
                guard count > 0 else { return count }
                unsafe bytes.append(contentsOf: buffer[..<Int(count)])
            }
            return 1
        }
        return bytes.count > before ? .done(bytes.count - before) : outcome(result)
    }

    /// Makes bytes for the network of `bytes[range]`; false when the connection cannot be used any more.
    func encrypt(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        if range.isEmpty { return true }
        ERR_clear_error()
        return unsafe bytes.withUnsafeBytes { buffer in
            var start = range.lowerBound
            while start < range.upperBound {
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[start..<range.upperBound])
                let count = unsafe SSL_write(session, rest.baseAddress, Int32(clamping: rest.count))
                guard count > 0 else { return false }
                start += Int(count)
            }
            return true
        }
    }

    /// Tells the peer that nothing more comes (RFC 8446 §6.1).
    func finish() {
        ERR_clear_error()
        unsafe SSL_shutdown(session)
    }

    /// The bytes that the network is to have.
    func takeOutput() -> [UInt8] {
        let count = unsafe copenssl_pending(outgoing)
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = max(0, Int(unsafe BIO_read(outgoing, buffer.baseAddress, Int32(count))))
        }
    }

    private func outcome(_ result: Int32) -> Outcome {
        switch unsafe SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .ended
        default:
            let code = ERR_peek_error()
            return copenssl_reason(code) == copenssl_is_plain_http ? .isPlain : .failed(TLSError.lastReason)
        }
    }
}

extension TLSError {
    /// OpenSSL's words for the last error of this thread.
    fileprivate static var lastReason: String {
        let code = ERR_peek_last_error()
        guard code != 0, let text = unsafe ERR_reason_error_string(code) else {
            return errno != 0 ? unsafe String(cString: strerror(errno)) : "unknown"
        }
        return unsafe String(cString: text)
    }
}
