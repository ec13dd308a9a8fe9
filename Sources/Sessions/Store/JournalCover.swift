import DequeModule

/// Which rows of the journal are still needed: those with moves of sessions that have not been written whole since.
struct JournalCover {
    private(set) var nextRow = 1
    /// Of the rows that are needed.
    private(set) var bytes = 0
    private var rows = Deque<(row: Int, bytes: Int)>()
    /// By serial, the first row that is needed for the session.
    private var first: [UInt64: Int] = [:]
    /// Sessions by their first rows; some have been written whole since.
    private var line = Deque<(row: Int, serial: UInt64, id: String)>()

    /// Takes note of a row that has been written.
    mutating func note(row: Int, bytes: Int) {
        rows.append((row, bytes))
        self.bytes += bytes
        nextRow = row + 1
    }

    /// The row has moves of that session.
    mutating func note(_ serial: UInt64, _ id: String, row: Int) {
        guard first[serial] == nil else { return }
        first[serial] = row
        line.append((row, serial, id))
    }

    /// The session has been written whole, or has ended.
    mutating func cover(_ serial: UInt64) {
        first[serial] = nil
        if first.isEmpty { line.removeAll() }
    }

    /// The sessions for which the oldest rows are needed, at most so many.
    func oldest(_ limit: Int) -> [(serial: UInt64, id: String)] {
        var found: [(serial: UInt64, id: String)] = []
        for item in line where first[item.serial] == item.row {
            found.append((item.serial, item.id))
            if found.count == limit { break }
        }
        return found
    }

    /// The first row that is needed; those before it are forgotten here.
    mutating func forget() -> Int {
        while let item = line.first, first[item.serial] != item.row { line.removeFirst() }
        let needed = line.first?.row ?? nextRow
        while let row = rows.first, row.row < needed {
            bytes -= row.bytes
            rows.removeFirst()
        }
        return needed
    }
}
