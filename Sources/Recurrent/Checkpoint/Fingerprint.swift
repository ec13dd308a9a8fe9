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
        let sha = SHA256()
        sha.update(head)
        unsafe file.map.withBytes(0..<file.map.count) { unsafe sha.update($0) }
        return sha.hexadecimal()
    }
}
