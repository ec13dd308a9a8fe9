import HeapModule

/// Beginnings of token sequences of which a state is kept: a radix tree, in which an edge has as many tokens as nothing
/// branches off.
///
/// Who has to go is told by GreedyDual-Size: the state that saves least work per byte, where what was found lately counts
/// as new. One thread at a time.
struct PrefixTree {
    /// Sequences of different models or owners have nothing in common.
    struct Root: Hashable {
        let model: String
        let owner: String
    }

    /// A state that was kept.
    struct Entry: Equatable {
        let root: Root
        let slot: Int
        let stateBytes: Int
    }

    /// What a node is counted for beside its tokens: itself, its two lists, its places in the queue, and what arrays
    /// keep free.
    static let nodeBytes = 288

    private struct Node {
        /// Tokens from the parent to here.
        var label: [Int32] = []
        var parent = -1
        /// By their first tokens.
        var children: [Int] = []
        var depth = 0
        /// −1 where no state is kept.
        var slot = -1
        var stateBytes = 0
        /// Work that the state saves per byte.
        var value = 0.0
        /// Of its place in `queue`; older ones are void.
        var stamp: UInt64 = 0
    }

    private struct Place: Comparable {
        let priority: Double
        let stamp: UInt64
        let node: Int

        static func < (left: Self, right: Self) -> Bool {
            (left.priority, left.stamp) < (right.priority, right.stamp)
        }
    }

    private var nodes: [Node] = []
    private var free: [Int] = []
    private var roots: [Root: Int] = [:]
    private var names: [Int: Root] = [:]
    private var queue = Heap<Place>()
    private var clock = 0.0
    private var stamp: UInt64 = 0
    /// States that are kept.
    private(set) var count = 0
    /// What the tree takes, without the states.
    private(set) var bytes = 0

    /// The longest beginning of `tokens` of which a state is kept, which is worth more from now on.
    mutating func longest(of tokens: ArraySlice<Int>, in root: Root) -> (depth: Int, slot: Int)? {
        var found = -1
        walk(tokens, root) { node, isWhole in if isWhole, nodes[node].slot >= 0 { found = node } }
        guard found >= 0 else { return nil }
        enqueue(found)
        return (nodes[found].depth, nodes[found].slot)
    }

    /// How many of `tokens` are the beginning of some sequence of which a state is kept.
    func path(of tokens: ArraySlice<Int>, in root: Root) -> Int { walk(tokens, root) { _, _ in } }

    /// Whether a state is kept of exactly these tokens.
    func keeps(_ tokens: ArraySlice<Int>, in root: Root) -> Bool {
        var isKept = false
        let depth = walk(tokens, root) { node, isWhole in
            isKept = isWhole && nodes[node].depth == tokens.count && nodes[node].slot >= 0
        }
        return isKept && depth == tokens.count
    }

    /// Keeps a state of exactly these tokens, of which none is kept.
    /// - Parameter stepCost: what each token costs that need not be absorbed.
    mutating func insert(
        _ tokens: ArraySlice<Int>, in root: Root, slot: Int, stateBytes: Int, stepCost: Double
    ) {
        precondition(!tokens.isEmpty && slot >= 0, "a state of \(tokens.count) tokens in slot \(slot)")
        let node = place(tokens, root)
        precondition(nodes[node].slot < 0, "a state of these tokens is kept already")
        (nodes[node].slot, nodes[node].stateBytes) = (slot, stateBytes)
        count += 1
        var ancestor = nodes[node].parent
        while nodes[ancestor].slot < 0, nodes[ancestor].parent >= 0 { ancestor = nodes[ancestor].parent }
        let saved = nodes[node].depth - (nodes[ancestor].slot >= 0 ? nodes[ancestor].depth : 0)
        let size = stateBytes + Self.nodeBytes + 4 * nodes[node].label.count
        nodes[node].value = Double(saved) * stepCost / Double(size)
        enqueue(node)
    }

    /// Gives up the state that is worth least.
    mutating func removeLeast() -> Entry? {
        while let place = queue.popMin() {
            guard nodes[place.node].slot >= 0, nodes[place.node].stamp == place.stamp else { continue }
            clock = place.priority
            return remove(place.node)
        }
        return nil
    }

    // MARK: Paths

    /// Calls `visit` for each node on the way of `tokens`, and whether all its label is on it; returns how many tokens
    /// the way has.
    @discardableResult
    private func walk(_ tokens: ArraySlice<Int>, _ root: Root, _ visit: (Int, Bool) -> Void) -> Int {
        guard var node = roots[root] else { return 0 }
        var at = tokens.startIndex
        while at < tokens.endIndex, let child = child(of: node, tokens[at]) {
            let label = nodes[child].label
            var same = 0
            while same < label.count, at < tokens.endIndex, Int(label[same]) == tokens[at] {
                same += 1
                at += 1
            }
            visit(child, same == label.count)
            if same < label.count { break }
            node = child
        }
        return at - tokens.startIndex
    }

    /// The node of exactly these tokens, made if need be.
    private mutating func place(_ tokens: ArraySlice<Int>, _ root: Root) -> Int {
        var node: Int
        if let known = roots[root] {
            node = known
        } else {
            node = make(Node())
            (roots[root], names[node]) = (node, root)
        }
        var at = tokens.startIndex
        while at < tokens.endIndex {
            guard let child = child(of: node, tokens[at]) else {
                return add(tokens[at...].map { Int32($0) }, to: node)
            }
            var same = 0
            while same < nodes[child].label.count, at < tokens.endIndex, Int(nodes[child].label[same]) == tokens[at] {
                same += 1
                at += 1
            }
            node = same < nodes[child].label.count ? split(child, after: same) : child
        }
        return node
    }

    private func child(of node: Int, _ token: Int) -> Int? {
        let (children, position) = (nodes[node].children, position(of: token, in: node))
        return position < children.count && Int(nodes[children[position]].label[0]) == token ? children[position] : nil
    }

    private func position(of token: Int, in node: Int) -> Int {
        let children = nodes[node].children
        var (low, high) = (0, children.count)
        while low < high {
            let middle = (low + high) / 2
            if Int(nodes[children[middle]].label[0]) < token { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Nodes

    private mutating func make(_ node: Node) -> Int {
        if let index = free.popLast() {
            nodes[index] = node
            return index
        }
        nodes.append(node)
        return nodes.count - 1
    }

    private mutating func add(_ label: [Int32], to parent: Int) -> Int {
        let depth = nodes[parent].depth + label.count
        let index = make(Node(label: label, parent: parent, depth: depth))
        nodes[parent].children.insert(index, at: position(of: Int(label[0]), in: parent))
        bytes += Self.nodeBytes + 4 * label.count
        return index
    }

    /// Puts a node into the edge to `node`, behind so many of its tokens.
    private mutating func split(_ node: Int, after count: Int) -> Int {
        let (label, parent) = (nodes[node].label, nodes[node].parent)
        let place = position(of: Int(label[0]), in: parent)
        let depth = nodes[parent].depth + count
        let middle = make(Node(label: Array(label[..<count]), parent: parent, children: [node], depth: depth))
        nodes[parent].children[place] = middle
        nodes[node].label = Array(label[count...])
        nodes[node].parent = middle
        bytes += Self.nodeBytes
        return middle
    }

    private mutating func remove(_ node: Int) -> Entry {
        var top = node
        while nodes[top].parent >= 0 { top = nodes[top].parent }
        let entry = Entry(root: names[top]!, slot: nodes[node].slot, stateBytes: nodes[node].stateBytes)
        nodes[node].slot = -1
        count -= 1
        prune(node)
        return entry
    }

    /// Takes nodes out that neither keep a state nor branch.
    private mutating func prune(_ start: Int) {
        var node = start
        while nodes[node].slot < 0, nodes[node].children.count < 2 {
            let (parent, label) = (nodes[node].parent, nodes[node].label)
            guard parent >= 0 else {
                guard nodes[node].children.isEmpty else { return }
                roots[names.removeValue(forKey: node)!] = nil
                return release(node)
            }
            let place = position(of: Int(label[0]), in: parent)
            bytes -= Self.nodeBytes
            if let child = nodes[node].children.first {
                nodes[parent].children[place] = child
                nodes[child].parent = parent
                nodes[child].label = label + nodes[child].label
                return release(node)
            }
            bytes -= 4 * label.count
            nodes[parent].children.remove(at: place)
            release(node)
            node = parent
        }
    }

    private mutating func release(_ node: Int) {
        nodes[node] = Node()
        free.append(node)
    }

    private mutating func enqueue(_ node: Int) {
        stamp += 1
        nodes[node].stamp = stamp
        queue.insert(Place(priority: clock + nodes[node].value, stamp: stamp, node: node))
        // Void places must not gather.
        guard queue.count > 2 * count + 64 else { return }
        let live = queue.unordered.filter { nodes[$0.node].slot >= 0 && nodes[$0.node].stamp == $0.stamp }
        queue = Heap(live)
    }
}

extension PrefixTree {
    /// For tests: what is wrong with the tree, if anything is.
    var flaw: String? {
        var (found, size) = (0, 0)
        for (root, top) in roots {
            var line = [top]
            if names[top] != root { return "a root without its name" }
            if nodes[top].children.isEmpty { return "an empty root" }
            while let node = line.popLast() {
                let firsts = nodes[node].children.map { nodes[$0].label[0] }
                if firsts != Set(firsts).sorted() { return "children out of order" }
                if node != top {
                    size += Self.nodeBytes + 4 * nodes[node].label.count
                    if nodes[node].slot < 0, firsts.count < 2 { return "a node for nothing" }
                    if nodes[node].depth != nodes[nodes[node].parent].depth + nodes[node].label.count { return "depth" }
                }
                if nodes[node].slot >= 0 { found += 1 }
                if nodes[node].children.contains(where: { nodes[$0].parent != node }) { return "a stray child" }
                line += nodes[node].children
            }
        }
        if found != count { return "\(found) states, not \(count)" }
        return size == bytes ? nil : "\(size) bytes, not \(bytes)"
    }
}
