/// What a character is to the pattern that cuts text into words: a letter (Unicode category L), a number (N), white
/// space (the property White_Space) or something else.
enum CharacterClass: UInt8 {
    case letter, number, space, other

    init(_ scalar: Unicode.Scalar) {
        self = scalar.value < 0x1_0000 ? Self.basic[Int(scalar.value)] : Self.find(scalar)
    }

    /// Of the characters below U+10000, for looking them up takes long.
    private static let basic = (0..<0x1_0000).map { Unicode.Scalar(UInt16($0)).map(find) ?? .other }

    private static func find(_ scalar: Unicode.Scalar) -> CharacterClass {
        if scalar.properties.isWhitespace { return .space }
        return switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: .other
        }
    }
}
