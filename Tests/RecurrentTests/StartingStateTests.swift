import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("Starting states from files of several writers")
struct StartingStateTests {
    private func gru(layers: Int = 2) throws -> RecurrentModel { try load(nil, stack(gates: 3, layers: layers)) }

    /// A file of one tensor with the metadata `format`.
    private func file(
        _ type: String, _ size: Int, _ shape: [Int], format: String? = nil, body: Data? = nil, name: String = "h_n"
    ) -> [UInt8] {
        let count = shape.reduce(size, *)
        let metadata = format.map { "\"__metadata__\":{\"format\":\"\($0)\"}," } ?? ""
        return [UInt8](
            Safetensors.data(
                header:
                    "{\(metadata)\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[0,\(count)]}}",
                body: body ?? Data(count: count)))
    }

    private func reason(_ bytes: [UInt8], _ model: RecurrentModel) throws -> String {
        let start = try #require(StartingState(parsing: bytes))
        do throws(StateFileError) {
            _ = try start.values(for: model)
            return "it was taken"
        } catch {
            guard case .corrupt(let reason) = error else { return "\(error)" }
            return reason
        }
    }

    /// Values of 16 bits, little-endian.
    private func data(_ words: [UInt16]) -> Data {
        Data(words.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
    }

    @Test("the frame of the writer plays no role", arguments: ["pt", "np", "numpy", "flax", "tf", "mlx", "paddle"])
    func formats(format: String) throws {
        let start = try #require(StartingState(parsing: file("F32", 4, [2, 1, 6], format: format)))
        #expect(try start.values(for: gru()).count == 18)
    }

    @Test("a state file, and what is left of one, is none") func stateFiles() throws {
        let model = try gru()
        let whole = StateFile.encode(model.initialState, step: 3, of: model, called: "m").bytes
        #expect(StartingState(parsing: whole) == nil)
        let text = String(decoding: whole, as: Unicode.ASCII.self)
        let at = try #require(text.range(of: "scanstep-state"))
        var damaged = whole
        damaged[text.distance(from: text.startIndex, to: at.lowerBound)] ^= 1
        #expect(StartingState(parsing: damaged) == nil)
    }

    @Test("states in half precision are widened exactly") func halves() throws {
        let values: [Float] = [0.5, -1.25, 65504, 0.000061035156, 3, -0]
        let half = data((values + values).map { Float16($0).bitPattern })
        let model = try gru()
        let state = try StartingState(parsing: file("F16", 2, [2, 6], body: half))?.values(for: model)
        #expect(state?.prefix(12) == (values + values)[...])
        let brain = data((values + values).map { UInt16($0.bitPattern >> 16) })
        let other = try StartingState(parsing: file("BF16", 2, [2, 6], body: brain))?.values(for: model)
        #expect(other?[0..<3] == [0.5, -1.25, Float(bitPattern: Float(65504).bitPattern & 0xFFFF_0000)])
        let one = StartingState(parsing: file("F16", 2, [6], body: half.prefix(12), name: "layers.0.hidden"))
        #expect(try one?.values(for: gru(layers: 1)).prefix(2) == [0.5, -1.25])
    }

    @Test("another type is refused with the tensor's name and what it may be") func types() throws {
        for (type, size) in [("F64", 8), ("I64", 8), ("I8", 1)] {
            let text = try reason(file(type, size, [2, 6]), gru())
            #expect(text.contains("tensor h_n has type \(type), expected F32, F16 or BF16"), "\(text)")
        }
    }

    @Test("the state of one layer may be without a batch") func unbatched() throws {
        let start = try #require(StartingState(parsing: file("F32", 4, [6])))
        #expect(try start.values(for: gru(layers: 1)).count == 12)
        #expect(try start.values(for: load(nil, stack("", gates: 3, layers: 1, single: true))).count == 12)
        #expect(try reason(file("F32", 4, [12]), gru()).contains("has shape [12], expected [2, 6]"))
    }
}
