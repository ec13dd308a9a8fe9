import Kernels
import Recurrent

/// A move of a session by inputs, from which it can be done again: a few bytes a step.
///
/// Each names the version it leads from, so that a chain of them fits one state only.
struct JournalRecord: Equatable {
    let serial: UInt64
    let previous: UInt64
    let version: UInt64
    /// Seconds since 1970.
    let time: Double
    let parts: [Absorbed]

    /// Inputs that it absorbs.
    var steps: Int { parts.reduce(0) { $0 + $1.input.count } }

    /// What it takes encoded, at most.
    static func bytes(_ parts: [Absorbed]) -> Int {
        parts.reduce(64) { sum, part in
            switch part.input {
            case .tokens(let tokens): sum + 16 + 5 * tokens.count
            case .vectors(let values, _): sum + 32 + 4 * values.count
            }
        }
    }

    /// Appends it to a row of the journal: whole numbers seven bits a byte, the least significant first.
    func encode(into bytes: inout [UInt8]) {
        for number in [serial, previous, version, time.bitPattern, UInt64(parts.count)] {
            Self.append(number, to: &bytes)
        }
        for part in parts {
            let scan: UInt64 = part.scan == .associative ? 2 : 0
            switch part.input {
            case .tokens(let tokens):
                Self.append(scan, to: &bytes)
                Self.append(UInt64(tokens.count), to: &bytes)
                for token in tokens { Self.append(UInt64(token), to: &bytes) }
            case .vectors(let values, let count):
                Self.append(scan | 1, to: &bytes)
                Self.append(UInt64(count), to: &bytes)
                Self.append(UInt64(values.count), to: &bytes)
                for value in values {
                    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift)) }
                }
            }
        }
    }

    /// The records of a row; nil when it is not one.
    static func decode(_ bytes: [UInt8]) -> [JournalRecord]? {
        var reader = Reader(bytes: bytes)
        var records: [JournalRecord] = []
        while reader.at < bytes.count {
            guard let record = reader.record() else { return nil }
            records.append(record)
        }
        return records
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        mutating func number() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: 0, through: 63, by: 7) {
                guard at < bytes.count else { return nil }
                let byte = bytes[at]
                at += 1
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }

        mutating func counter() -> UInt64? { number().flatMap { StoredNumber.counter(Int(truncatingIfNeeded: $0)) } }

        /// A number of things of which each takes a byte or more.
        mutating func count() -> Int? { number().flatMap { $0 <= UInt64(bytes.count - at) ? Int($0) : nil } }

        mutating func record() -> JournalRecord? {
            guard let serial = counter(), let previous = counter(), let version = counter(),
                let time = number().map(Double.init(bitPattern:)), StoredNumber.times.contains(time),
                let count = count()
            else { return nil }
            var parts: [Absorbed] = []
            for _ in 0..<count {
                guard let part = part() else { return nil }
                parts.append(part)
            }
            return JournalRecord(
                serial: serial, previous: previous, version: version, time: time, parts: parts)
        }

        mutating func part() -> Absorbed? {
            guard let kind = number(), kind < 4, let count = count() else { return nil }
            let scan: ScanMode = kind & 2 == 0 ? .exact : .associative
            guard kind & 1 == 1 else {
                var tokens: [Int] = []
                tokens.reserveCapacity(count)
                for _ in 0..<count {
                    guard let token = number(), token <= UInt64(Int32.max) else { return nil }
                    tokens.append(Int(token))
                }
                return Absorbed(.tokens(tokens), scan)
            }
            guard let size = number(), size <= UInt64((bytes.count - at) / 4) else { return nil }
            var values: [Float] = []
            values.reserveCapacity(Int(size))
            for _ in 0..<size {
                let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
                values.append(Float(bitPattern: bits))
                at += 4
            }
            return Absorbed(.vectors(values, count: count), scan)
        }
    }
}
