import COpenSSL

/// SHA-256 (FIPS 180-4) of what it is fed.
@safe public struct SHA256: ~Copyable {
    private let context: OpaquePointer

    public init() {
        let context = unsafe EVP_MD_CTX_new()
        precondition(unsafe context != nil && EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "SHA-256 failed")
        unsafe self.context = context!
    }

    deinit { unsafe EVP_MD_CTX_free(context) }

    func update(_ bytes: UnsafeRawBufferPointer) {
        let succeeded = unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
        precondition(succeeded, "SHA-256 failed")
    }

    public func update(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe update($0) } }

    public func update(_ text: String) { update(Array(text.utf8)) }

    /// The digest of a text, as 64 hexadecimal digits.
    public static func hexadecimal(of text: String) -> String {
        let sha = SHA256()
        sha.update(text)
        return sha.hexadecimal()
    }

    /// The digest of everything so far, as 64 hexadecimal digits.
    public consuming func hexadecimal() -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The digest of everything so far, 32 bytes.
    public consuming func bytes() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        let succeeded = unsafe EVP_DigestFinal_ex(context, &digest, nil) == 1
        precondition(succeeded, "SHA-256 failed")
        return digest
    }
}
