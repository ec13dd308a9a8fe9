import COpenSSL
import Kernels

/// The identity of a model's arithmetic: a state is only valid for the fingerprint it was made under.
enum Fingerprint {
    /// Hexadecimal SHA-256 over numerics version, scan mode, weight type, architecture and the bytes of the weights'
    /// file.
    static func of(
        _ configuration: ModelConfiguration, _ file: TensorFile, _ weights: WeightType, _ scan: ScanMode
    ) -> String {
        let version = RecurrentModel.numericsVersion
        let head = "numerics \(version), scan \(scan.rawValue), weights \(weights.rawValue), \(configuration)"
        let context = unsafe EVP_MD_CTX_new()
        defer { unsafe EVP_MD_CTX_free(context) }
        var digest = [UInt8](repeating: 0, count: 32)
        var succeeded = unsafe EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1
        succeeded = unsafe succeeded && EVP_DigestUpdate(context, head, head.utf8.count) == 1
        unsafe file.map.withBytes(0..<file.map.count) { bytes in
            succeeded = unsafe succeeded && EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
        }
        succeeded = unsafe succeeded && EVP_DigestFinal_ex(context, &digest, nil) == 1
        precondition(succeeded, "SHA-256 failed")
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
