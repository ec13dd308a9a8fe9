/// The rows of a batch step by step, for cells that step all its sequences at once.
///
/// Each sequence has a slot; those with more rows come first, so that at each step the sequences that still have one are
/// the first slots. Memory is kept from batch to batch.
struct StepPlan {
    /// The sequence of each slot.
    private(set) var sequences: [Int] = []
    /// The rows of the batch in order of steps, those of one step in order of slots.
    private(set) var rows: [Int] = []
    /// Where in `rows` each step begins, and the end.
    private(set) var starts: [Int] = []
    /// Of each sequence its index in order of appearance, −1 where it has none.
    private var indices: [Int] = []
    /// Of each sequence that appears: itself, and its number of rows.
    private var found: [(sequence: Int, rows: Int)] = []
    /// Of each index its slot.
    private var slots: [Int] = []
    /// Of each number of rows the next free slot, then of each slot the rows that are placed.
    private var cursor: [Int] = []

    /// Steps of the sequence with most rows.
    var count: Int { max(0, starts.count - 1) }

    /// Sequences that have a row at `step`; 0 behind the last step.
    @inline(__always)
    func running(at step: Int) -> Int { step < count ? starts[step + 1] - starts[step] : 0 }

    mutating func clear() {
        for entry in found { indices[entry.sequence] = -1 }
        found.removeAll(keepingCapacity: true)
        sequences.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
    }

    /// Plans rows that step `batch`: the sequence of each.
    mutating func make(_ batch: [Int]) {
        clear()
        guard !batch.isEmpty else { return }
        var (highest, longest) = (0, 0)
        for sequence in batch { highest = max(highest, sequence) }
        Self.fill(&indices, with: -1, upTo: highest + 1)
        for sequence in batch {
            if indices[sequence] < 0 {
                indices[sequence] = found.count
                found.append((sequence, 0))
            }
            found[indices[sequence]].rows += 1
            longest = max(longest, found[indices[sequence]].rows)
        }
        // starts[t + 1] counts the sequences with more than t rows, first those with exactly t + 1.
        Self.reset(&starts, to: 0, count: longest + 1)
        for entry in found { starts[entry.rows] += 1 }
        for step in stride(from: longest - 1, to: 0, by: -1) { starts[step] += starts[step + 1] }
        // Sequences with more rows than one has come before it.
        Self.reset(&cursor, to: 0, count: max(longest + 1, found.count))
        for count in 1..<longest { cursor[count] = starts[count + 1] }
        Self.reset(&slots, to: 0, count: found.count)
        Self.reset(&sequences, to: 0, count: found.count)
        for index in found.indices {
            let slot = cursor[found[index].rows]
            cursor[found[index].rows] += 1
            slots[index] = slot
            sequences[slot] = found[index].sequence
        }
        for step in 0..<longest { starts[step + 1] += starts[step] }
        Self.reset(&rows, to: 0, count: batch.count)
        for slot in found.indices { cursor[slot] = 0 }
        for row in batch.indices {
            let slot = slots[indices[batch[row]]]
            rows[starts[cursor[slot]] + slot] = row
            cursor[slot] += 1
        }
    }

    private static func fill(_ array: inout [Int], with value: Int, upTo count: Int) {
        while array.count < count { array.append(value) }
    }

    private static func reset(_ array: inout [Int], to value: Int, count: Int) {
        array.removeAll(keepingCapacity: true)
        fill(&array, with: value, upTo: count)
    }
}
