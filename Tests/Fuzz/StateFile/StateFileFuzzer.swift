import FuzzSupport
import TestSupport

@testable import Recurrent

private let model = {
    var random = RandomModel()
    (random.layers, random.width, random.innerWidth, random.kernel, random.mlpWidth) = (2, 3, 5, 3, nil)
    return try! random.load().model
}()

extension [UInt8] {
    /// Where `text` begins for the first time.
    fileprivate func place(of text: String) -> Int? {
        let text = Array(text.utf8)
        return indices.first { self[$0...].starts(with: text) }
    }

    /// Overwrites the 64 digits behind `name`.
    fileprivate mutating func put(_ digits: String, behind name: String) {
        guard let place = place(of: name).map({ $0 + name.utf8.count }), place + 64 <= count else { return }
        replaceSubrange(place..<place + 64, with: digits.utf8)
    }
}

/// The file with the right fingerprint and the right digest, which one who means harm can compute as well.
private func forged(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for (name, digest) in [
        ("fingerprint", model.fingerprint), ("architecture", model.identity.architecture),
        ("tensors", model.identity.tensors),
    ] { bytes.put(digest, behind: "\"\(name)\":\"") }
    guard let header = try? SafetensorsHeader(count: bytes.count, read: { Array(bytes[$0]) }) else { return bytes }
    let sha = SHA256()
    for name in ["format", "format_version", "model"] + ModelIdentity.parts + ["fingerprint", "step"] {
        sha.update((header.metadata[name] ?? "") + "\n")
    }
    sha.update(Array(bytes[(header.entries.values.map(\.bytes.lowerBound).min() ?? bytes.count)...]))
    bytes.put(sha.hexadecimal(), behind: "\"sha256\":\"")
    return bytes
}

/// What a file is taken for is written, and is taken for the same; written again it is the same to the byte.
private func check(_ file: StateFile) {
    guard let values = try? file.values(for: model) else { return }
    demand(values.allSatisfy(\.isFinite), "\(values) are not all finite")
    let written = StateFile.encode(values, step: file.step, of: model, called: file.model)
    let again = try! StateFile(parsing: written.bytes)
    let same = try! again.values(for: model)
    demand(same.map(\.bitPattern) == values.map(\.bitPattern), "\(values) come back as \(same)")
    demand(
        again.step == file.step && again.model == file.model && again.digest == written.digest,
        "\(file.model) at \(file.step) comes back as \(again.model) at \(again.step)")
    demand(
        StateFile.encode(same, step: again.step, of: model, called: again.model).bytes == written.bytes,
        "it is written in two ways")
    demand(
        StateFile.digest(values, step: file.step, of: model, called: file.model) == written.digest,
        "it has two digests")
}

/// All bytes are a state file; an odd first byte has fingerprint and digest put right.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let forges = input.byte() & 1 == 1
    let bytes = input.rest()
    if (try? SafetensorsHeader(count: bytes.count, read: { Array(bytes[$0]) })) != nil { PlantedCrash.hide(in: bytes) }
    if let values = try? StartingState(parsing: bytes)?.values(for: model) {
        demand(values.count == model.state.count && values.allSatisfy(\.isFinite), "a session starts from \(values)")
    }
    guard let file = try? StateFile(parsing: forges ? forged(bytes) : bytes) else { return 0 }
    check(file)
    return 0
}
