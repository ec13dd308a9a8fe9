import Testing

@testable import JSON

@Suite struct JSONNumberTests {
    @Test("Integers are exact to the ends of Int64, doubles to UInt64, and an error beyond")
    func bigIntegers() throws {
        #expect(try parse("9223372036854775807").int == .max)
        #expect(try parse("-9223372036854775808").int == .min)
        #expect(try parse("9007199254740993").int == 9_007_199_254_740_993)
        #expect(try parse("9223372036854775808").int == nil)
        #expect(try parse("9223372036854775808").double == 9_223_372_036_854_775_808)
        #expect(try parse("18446744073709551615").float == 18_446_744_073_709_551_616)
        #expect(throws: JSONError.self) { try parse("18446744073709551616") }
        #expect(throws: JSONError.self) { try parse("-9223372036854775809") }
    }

    @Test("A literal with a point or an exponent is no integer")
    func noIntegers() throws {
        for text in ["3.0", "3e0", "-0.0", "1e2"] { #expect(try parse(text).int == nil) }
        #expect(try parse("0").int == 0 && parse("-1").int == -1)
    }

    @Test("Negative zero keeps its sign")
    func negativeZero() throws {
        #expect(try parse("-0.0").double?.sign == .minus)
        #expect(try parse("-0.0").float?.sign == .minus)
        #expect(try parse("[-0.0]").floats()?.first?.sign == .minus)
    }

    @Test("What exceeds a float but not a double is infinite as a float, and what is too small is zero")
    func floatRange() throws {
        #expect(try parse("1e39").float == .infinity && parse("-1e39").float == -.infinity)
        #expect(try parse("1e39").double == 1e39)
        #expect(try parse("1e-60").float == 0 && parse("1e-400").double == 0)
        #expect(try parse("3.4028234663852886e38").float == .greatestFiniteMagnitude)
        #expect(try parse("1.401298464324817e-45").float == .leastNonzeroMagnitude)
    }

    @Test("Numbers in bulk are the same as one by one")
    func bulk() throws {
        let value = try parse("[1, -2, 0.1, 1e39, -0.0, 18446744073709551615, 16777217, 5e-324, 3.0]")
        #expect(value.floats() == value.elements.map { $0.float! })
        #expect(value.ints() == nil)
        #expect(try parse("[1,-2,9223372036854775807]").ints() == [1, -2, .max])
        #expect(try parse("[]").floats() == [] && parse("[]").ints() == [])
        for text in ["[1,null]", "[\"1\"]", "[[1]]", "[1,{}]", "[true]", "{}", "1", "[1,\"2\",3]"] {
            #expect(try parse(text).floats() == nil)
            #expect(try parse(text).ints() == nil)
        }
    }

    @Test("Every finite float that is written reads back bit for bit")
    func floatRoundTrip() throws {
        var random = SeededGenerator(seed: 7)
        var numbers: [Float] = [
            0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .leastNormalMagnitude, 1, 0.1,
        ]
        while numbers.count < 10_000 {
            let number = Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random))
            if number.isFinite { numbers.append(number) }
        }
        var writer = JSONWriter()
        writer.floats(numbers)
        let read = try #require(try JSONDocument(parsing: writer.bytes).root.floats())
        #expect(read.map(\.bitPattern) == numbers.map(\.bitPattern))
    }

    @Test("Every finite double that is written reads back bit for bit")
    func doubleRoundTrip() throws {
        var random = SeededGenerator(seed: 8)
        for _ in 0..<10_000 {
            let number = Double(bitPattern: .random(in: 0 ... .max, using: &random))
            guard number.isFinite else { continue }
            var writer = JSONWriter()
            writer.double(number)
            #expect(try JSONDocument(parsing: writer.bytes).root.double?.bitPattern == number.bitPattern)
        }
    }
}
