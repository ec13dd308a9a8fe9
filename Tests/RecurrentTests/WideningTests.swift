import Foundation
import TestSupport
import Testing

@testable import Recurrent

@Suite("float16 and bfloat16 widen exactly")
struct WideningTests {
    private func file(_ type: String, _ patterns: [UInt16]) throws -> Tensor {
        var body = Data()
        for pattern in patterns { body.append(contentsOf: [UInt8(pattern & 255), UInt8(pattern >> 8)]) }
        let header = "{\"a\":{\"dtype\":\"\(type)\",\"shape\":[\(patterns.count)],\"data_offsets\":[0,\(body.count)]}}"
        return try open(Safetensors.data(header: header, body: body)).tensor("a", [patterns.count])
    }

    /// The value of a small IEEE float with `exponentBits`, by its definition.
    private func value(_ pattern: UInt16, exponentBits: Int) -> Double {
        let fractionBits = 15 - exponentBits
        let exponent = Int(pattern >> fractionBits) & (1 << exponentBits - 1)
        let fraction = Double(Int(pattern) & (1 << fractionBits - 1)) / Double(1 << fractionBits)
        let bias = 1 << (exponentBits - 1) - 1
        let magnitude =
            exponent == 0
            ? Double(sign: .plus, exponent: 1 - bias, significand: 1) * fraction
            : Double(sign: .plus, exponent: exponent - bias, significand: 1 + fraction)
        return pattern >> 15 == 1 ? -magnitude : magnitude
    }

    @Test("every finite pattern has its defined value", arguments: [("F16", 5), ("BF16", 8)])
    func finite(type: String, exponentBits: Int) throws {
        let infinity = UInt16((1 << exponentBits - 1) << (15 - exponentBits))
        let patterns = (0...UInt16.max).filter { $0 & 0x7FFF < infinity }
        let values = try file(type, patterns).values()
        let wrong = zip(patterns, values).filter { (pattern: UInt16, found: Float) -> Bool in
            let isNegative: Bool = pattern >> 15 == 1
            return Double(found) != value(pattern, exponentBits: exponentBits) || (found.sign == .minus) != isNegative
        }
        #expect(wrong.isEmpty)
        #expect(patterns.count == 2 * Int(infinity))
    }

    @Test("every other pattern is refused by name", arguments: [("F16", 0x7C00), ("BF16", 0x7F80)])
    func nonFinite(type: String, infinity: Int) throws {
        for pattern in [infinity, infinity + 1, 0x7FFF, infinity + 0x8000, 0xFFFF] {
            let tensor = try file(type, [0, UInt16(pattern), 0])
            #expect(failure { _ = try tensor.values() } == .nonFinite(tensor: "a"))
        }
    }
}
