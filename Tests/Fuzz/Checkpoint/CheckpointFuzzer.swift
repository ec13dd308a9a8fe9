import FuzzSupport
import Glibc
import JSON
import Kernels

@testable import Recurrent

/// A folder whose files each run writes anew; in memory where the machine has a place for that.
private let folder = {
    let places = ["/dev/shm", "/tmp"]
    let path = "\(places.first { unsafe access($0, W_OK) == 0 } ?? ".")/scanstep-fuzz-\(getpid())"
    unsafe mkdir(path, 0o700)
    return path
}()

/// Writes a file of the folder; without bytes there is none.
private func write(_ name: String, _ bytes: [UInt8]) {
    let path = folder + "/" + name
    guard !bytes.isEmpty else {
        unsafe unlink(path)
        return
    }
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    demand(unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count, "\(path) cannot be written")
    close(descriptor)
}

private func removeFolder() {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] { write(name, []) }
    unsafe rmdir(folder)
}

/// A safetensors file with that header and as many bytes behind it as its offsets say, filled up with `fill`.
private func file(_ header: [UInt8], _ data: [UInt8], fill: UInt8) -> [UInt8] {
    let size = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    var data = data
    if let root = try? JSONDocument(parsing: header).root {
        let ends = root.members.compactMap { $0.value["data_offsets"]?.ints()?.last }
        let wanted = min(max(0, ends.max() ?? 0), 1 << 16)
        data = Array(data.prefix(wanted)) + [UInt8](repeating: fill, count: max(0, wanted - data.count))
    }
    return size + header + data
}

/// What a model answers is finite or said not to be, and the same step by step as at once.
private func run(_ model: RecurrentModel) {
    let inputs = 3
    func states(cutEvery rows: Int) -> (values: [Float], isFinite: Bool) {
        let workspace = Workspace(model, rows: inputs, sequences: 1)
        workspace.reset(0)
        var isFinite = true
        for start in stride(from: 0, to: inputs, by: rows) {
            workspace.clear()
            for step in start..<start + rows {
                switch model.configuration.input {
                case .tokens(let size): workspace.append(token: step % size, to: 0)
                case .vectors(let size): workspace.append(vector: (0..<size).map { Float(step - $0) }, to: 0)
                }
            }
            model.advance(workspace)
            model.outputs(workspace, rows: [rows - 1])
            isFinite = isFinite && (0..<rows).allSatisfy(workspace.isFinite(row:))
        }
        return (workspace.states.values(0), isFinite)
    }
    let (steps, once) = (states(cutEvery: 1), states(cutEvery: inputs))
    demand(steps.isFinite == once.isFinite, "finite step by step: \(steps.isFinite), at once: \(once.isFinite)")
    guard once.isFinite else { return }
    demand(
        steps.values.map(\.bitPattern) == once.values.map(\.bitPattern), "step by step \(steps), at once \(once)")
}

/// The first byte says how: bit 0 that the file's length and padding are put right. Then come `config.json`,
/// `tokenizer.json` and, where bit 0 is set, the file's header, each up to a zero byte; the rest is the file or its data.
@c(LLVMFuzzerTestOneInput)
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var input = unsafe FuzzedInput(start, count)
    let choice = input.byte()
    write("config.json", input.untilZero())
    write("tokenizer.json", input.untilZero())
    let bytes = choice & 1 == 1 ? file(input.untilZero(), input.rest(), fill: choice >> 1) : input.rest()
    write("model.safetensors", bytes)
    let weights: WeightType? = [nil, .f32, .f16, .int8][Int(choice >> 1 & 3)]
    var isFile = true
    do throws(CheckpointError) {
        let loaded = try ModelFolder(path: folder, weights: weights)
        if let tokenizer = loaded.tokenizer {
            let text = (0..<tokenizer.vocabularySize).map(tokenizer.decode).joined()
            let tokens = try? tokenizer.encode(text)
            demand(tokens == Array(0..<tokenizer.vocabularySize), "\(text) is encoded as \(String(describing: tokens))")
        }
        run(loaded.model)
    } catch {
        demand(!"\(error)".isEmpty, "a refusal without a reason")
        if case .malformed = error { isFile = false }
    }
    if isFile { PlantedCrash.hide(in: bytes) }
    return 0
}

@c(LLVMFuzzerInitialize)
public func initialize(_ count: UnsafeMutableRawPointer, _ arguments: UnsafeMutableRawPointer) -> CInt {
    atexit { removeFolder() }
    return 0
}
