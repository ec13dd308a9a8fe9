/// An order of small numbers that each stand in it once at most, in which they are moved in constant time.
struct LinkedOrder {
    /// Neighbours; −1 at the ends.
    private struct Links {
        var previous = -1
        var next = -1
    }

    /// −1 when it is empty.
    private(set) var first = -1
    private(set) var last = -1
    private var links: [Links] = []

    /// The number behind `index`, −1 if that is the last.
    func next(after index: Int) -> Int { links[index].next }

    mutating func append(_ index: Int) {
        while links.count <= index { links.append(Links()) }
        links[index] = Links(previous: last, next: -1)
        if last >= 0 { links[last].next = index } else { first = index }
        last = index
    }

    mutating func remove(_ index: Int) {
        let (previous, next) = (links[index].previous, links[index].next)
        if previous >= 0 { links[previous].next = next } else { first = next }
        if next >= 0 { links[next].previous = previous } else { last = previous }
    }
}
