import ArgumentParser
import Kernels

/// What `--weights` takes: a type, or `auto` for what the file suggests.
struct WeightChoice: ExpressibleByArgument, CustomStringConvertible {
    static let names = "auto, f32, f16 or int8"
    static let auto = WeightChoice(argument: "auto")!

    /// nil for `auto`.
    let type: WeightType?

    init?(argument: String) {
        type = WeightType(rawValue: argument)
        guard type != nil || argument == "auto" else { return nil }
    }

    var description: String { type?.rawValue ?? "auto" }
}

extension ScanMode: ExpressibleByArgument {
    public init?(argument: String) { self.init(choice: argument) }

    public static var allValueStrings: [String] { choices.map(\.rawValue) }
}
