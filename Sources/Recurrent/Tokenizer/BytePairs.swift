import HeapModule

/// Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): a word begins as its bytes; again and again the two
/// neighbours that were merged earliest in training become one, of equals the leftmost.
struct BytePairs: Sendable {
    struct Pair: Hashable {
        let left: Int32
        let right: Int32
    }

    struct Merge {
        /// By the order of training; lower goes first.
        let rank: Int32
        let token: Int32
    }

    /// The tokens of single bytes.
    private let bytes: [Int32]
    private let merges: [Pair: Merge]

    /// - Parameter bytes: the token of each of the 256.
    init(bytes: [Int32], merges: [Pair: Merge]) {
        precondition(bytes.count == 256, "\(bytes.count) tokens of bytes")
        (self.bytes, self.merges) = (bytes, merges)
    }

    /// A merge that may be done: by rank, then by place.
    private struct Candidate: Comparable {
        let rank: Int32
        let place: Int
        let pair: Pair
        let token: Int32

        static func < (left: Candidate, right: Candidate) -> Bool {
            (left.rank, left.place) < (right.rank, right.place)
        }
    }

    /// The tokens of a word. Takes n log n steps for n bytes, whatever they are.
    func encode(_ word: ArraySlice<UInt8>) -> [Int32] {
        var tokens = word.map { bytes[Int($0)] }
        if tokens.count < 2 { return tokens }
        // The places left and right of each that is not merged into another; one that is holds -1.
        var previous = Array(-1..<tokens.count - 1)
        var next = Array(1...tokens.count)
        var heap = Heap<Candidate>()
        func consider(_ place: Int) {
            let right = next[place]
            guard right < tokens.count else { return }
            let pair = Pair(left: tokens[place], right: tokens[right])
            guard let merge = merges[pair] else { return }
            heap.insert(Candidate(rank: merge.rank, place: place, pair: pair, token: merge.token))
        }
        for place in tokens.indices { consider(place) }
        while let best = heap.popMin() {
            let (place, right) = (best.place, next[best.place])
            // What it was about may have been merged since.
            guard tokens[place] == best.pair.left, right < tokens.count, tokens[right] == best.pair.right else {
                continue
            }
            (tokens[place], tokens[right]) = (best.token, -1)
            next[place] = next[right]
            if next[right] < tokens.count { previous[next[right]] = place }
            consider(place)
            if previous[place] >= 0 { consider(previous[place]) }
        }
        return tokens.filter { $0 >= 0 }
    }
}
