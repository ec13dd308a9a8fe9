import Kernels

/// Where each value of a sequence's state lies in its row of floats: what the stages of each layer keep, and at the end
/// the last block's output, from which the next output is computed again when a session goes on.
public struct StateLayout: Sendable, Equatable {
    /// A tensor of the state, and where it lies.
    struct Part: Sendable, Equatable {
        /// What state files call it: `layers.0.hidden`.
        let name: String
        let tensor: StateTensor
        let range: Range<Int>
    }

    /// In the order in which they lie, without gaps.
    let parts: [Part]
    /// For each branch, where the state of each of its stages begins.
    let offsets: [[Int]]
    /// Where the last block's output begins.
    let last: Int
    /// Values of one state.
    public let count: Int
    /// Bytes of one state.
    public var bytes: Int { count * MemoryLayout<Float>.size }

    /// - Parameter width: values of the stream behind the last branch.
    init(_ branches: [Branch], width: Int) {
        var parts: [Part] = []
        var offsets = branches.map { [Int](repeating: 0, count: $0.stages.count) }
        var end = 0
        func place(_ isWanted: (any Stage) -> Bool, ofLayer layer: Int) {
            for (index, branch) in branches.enumerated() where branch.layer == layer {
                for (position, stage) in branch.stages.enumerated() where isWanted(stage) {
                    offsets[index][position] = end
                    for tensor in stage.states {
                        let range = end..<end + tensor.count
                        parts.append(Part(name: "layers.\(layer).\(tensor.name)", tensor: tensor, range: range))
                        end = range.upperBound
                    }
                }
            }
        }
        for layer in 0..<(branches.last.map { $0.layer + 1 } ?? 0) {
            // The recurrence first: stored states have lain so ever since.
            place({ !$0.scans.isEmpty }, ofLayer: layer)
            place({ $0.scans.isEmpty }, ofLayer: layer)
        }
        (self.parts, self.offsets, last, count) = (parts, offsets, end, end + width)
    }

    /// Every tensor, the last block's output among them.
    var tensors: [(name: String, shape: [Int], range: Range<Int>)] {
        parts.map { ($0.name, $0.tensor.shape, $0.range) } + [("last", [count - last], last..<count)]
    }

    /// The state before the first input.
    var initial: [Float] {
        var values = [Float](repeating: 0, count: count)
        for part in parts { if let initial = part.tensor.initial { values.replaceSubrange(part.range, with: initial) } }
        return values
    }
}
