/// The sessions of a shard in order of creation, from any of them on.
///
/// Serials grow, so the list is sorted and is searched in halves. Those that have ended stay in it until they are half.
struct CreationOrder {
    struct Item {
        let serial: UInt64
        let index: Int
    }

    private(set) var items: [Item] = []
    private var ended = 0

    mutating func append(serial: UInt64, index: Int) {
        precondition(items.last.map { $0.serial < serial } ?? true, "serial \(serial) is not the latest")
        items.append(Item(serial: serial, index: index))
    }

    /// Takes note that a session has ended; `isLive` tells who has not.
    mutating func noteEnd(isLive: (Item) -> Bool) {
        ended += 1
        guard 2 * ended > items.count + 64 || ended == items.count else { return }
        items.removeAll { !isLive($0) }
        ended = 0
    }

    /// Where those begin that were made after the one of that serial.
    func position(after serial: UInt64) -> Int {
        var (low, high) = (0, items.count)
        while low < high {
            let middle = (low + high) / 2
            if items[middle].serial <= serial { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
