import CZlib

/// The gzip format (RFC 1952), by zlib; whole contents at a time.
enum Gzip {
    enum Failure: Error, Equatable {
        /// It is no gzip, or is cut short.
        case malformed
        /// There is more in it than was allowed.
        case tooLarge
    }

    /// `bytes` in the format, compressed for speed rather than size.
    static func compress(_ bytes: [UInt8]) -> [UInt8] {
        var stream = unsafe z_stream()
        let code = unsafe czlib_deflate_gzip(&stream, 1)
        precondition(code == Z_OK, "deflateInit2: \(code)")
        defer { unsafe deflateEnd(&stream) }
        let bound = Int(unsafe deflateBound(&stream, UInt(bytes.count)))
        return unsafe [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.avail_in = UInt32(input.count)
                unsafe stream.next_out = output.baseAddress
                unsafe stream.avail_out = UInt32(bound)
                let code = unsafe deflate(&stream, Z_FINISH)
                precondition(code == Z_STREAM_END, "deflate: \(code)")
            }
            count = bound - Int(unsafe stream.avail_out)
        }
    }

    /// What `bytes`, one or more members of the format, stand for, if that is at most `limit` bytes.
    static func expand(_ bytes: [UInt8], limit: Int) throws(Failure) -> [UInt8] {
        if bytes.isEmpty { throw .malformed }
        var stream = unsafe z_stream()
        let code = unsafe czlib_inflate_gzip(&stream)
        precondition(code == Z_OK, "inflateInit2: \(code)")
        defer { unsafe inflateEnd(&stream) }
        var result: [UInt8] = []
        var consumed = 0
        var piece = [UInt8](repeating: 0, count: min(64 << 10, limit + 1))
        while true {
            var produced = 0
            let code = unsafe bytes.withUnsafeBufferPointer { input in
                unsafe piece.withUnsafeMutableBufferPointer { output in
                    unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress! + consumed)
                    unsafe stream.avail_in = UInt32(input.count - consumed)
                    unsafe stream.next_out = output.baseAddress
                    unsafe stream.avail_out = UInt32(output.count)
                    let code = unsafe inflate(&stream, Z_NO_FLUSH)
                    consumed = input.count - Int(unsafe stream.avail_in)
                    produced = output.count - Int(unsafe stream.avail_out)
                    return code
                }
            }
            result.append(contentsOf: piece[..<produced])
            if result.count > limit { throw .tooLarge }
            switch code {
            case Z_OK where produced > 0 || consumed < bytes.count: continue
            case Z_STREAM_END where consumed == bytes.count: return result
            case Z_STREAM_END: unsafe inflateReset(&stream)
            default: throw .malformed
            }
        }
    }
}
