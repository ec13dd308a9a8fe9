/// Answers one request; runs on the connection's task, on its loop.
public typealias Handler = @Sendable (Request) async throws -> Response

/// A method of a pattern, numbered in the order in which a router has got them.
public final class Route: Sendable {
    public let method: Method
    public let pattern: String
    public let number: Int

    init(_ method: Method, _ pattern: String, _ number: Int) {
        (self.method, self.pattern, self.number) = (method, pattern, number)
    }
}

/// Finds the handler of a method and path. Patterns look like `/v1/sessions/{id}/step`: a segment in braces matches any
/// one non-empty segment and names it, and a literal segment is preferred to one in braces.
public struct Router: Sendable {
    private struct Place {
        let route: Route
        let names: [String]
        let handler: Handler
    }

    /// A place in the tree of segments. Only changed while the router is built, by its one owner: so
    /// `@unchecked Sendable`.
    private final class Node: @unchecked Sendable {
        var literals: [(segment: [UInt8], node: Node)] = []
        var parameter: Node?
        var routes: [Place] = []
    }

    private let root = Node()
    /// All that there are.
    public private(set) var routes: [Route] = []
    /// Methods that some path has.
    private var methods: Set<Method> = []

    public init() {}

    /// Adds a route. A method and pattern given twice, or a pattern without `/` at its beginning, is a programmer's
    /// error.
    public mutating func on(_ method: Method, _ pattern: String, _ handler: @escaping Handler) {
        precondition(pattern.hasPrefix("/"), "\(pattern) does not begin with /")
        methods.insert(method)
        let route = Route(method, pattern, routes.count)
        routes.append(route)
        let segments = pattern.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var names: [String] = []
        Self.add(route, segments.map(Array.init), 0, &names, handler, to: root)
    }

    private static func add(
        _ route: Route, _ segments: [[UInt8]], _ index: Int, _ names: inout [String], _ handler: @escaping Handler,
        to node: Node
    ) {
        guard index < segments.count else {
            let isNew = !node.routes.contains { $0.route.method == route.method }
            precondition(isNew, "\(route.method.rawValue) \(route.pattern) is there already")
            node.routes.append(Place(route: route, names: names, handler: handler))
            return
        }
        let segment = segments[index]
        if segment.first == UInt8(ascii: "{"), segment.last == UInt8(ascii: "}") {
            names.append(String(decoding: segment.dropFirst().dropLast(), as: UTF8.self))
            let next = node.parameter ?? Node()
            node.parameter = next
            add(route, segments, index + 1, &names, handler, to: next)
        } else {
            if !node.literals.contains(where: { $0.segment == segment }) { node.literals.append((segment, Node())) }
            let place = node.literals.firstIndex { $0.segment == segment }!
            add(route, segments, index + 1, &names, handler, to: node.literals[place].node)
        }
    }

    /// What answers a request; no route for what the router itself says of others.
    public struct Found: Sendable {
        public let handler: Handler
        /// The values of the path's parameters.
        public let parameters: PathParameters
        public let route: Route?
    }

    /// What answers a head.
    /// HEAD falls back to GET, and OPTIONS to a reply that says what there is (RFC 9110 §9.3.7).
    /// - Throws: 404 `not-found`, or 405 `method-not-allowed` with `Allow` (RFC 9110 §15.5.6).
    public func find(_ head: RequestHead) throws(HTTPError) -> Found {
        let bytes = head.fields.bytes
        var values: [Range<Int>] = []
        let path = head.pathRange
        let start = min(path.lowerBound + 1, path.upperBound)
        if path.count == 1, bytes[path.lowerBound] == UInt8(ascii: "*") { return Self.tell(methods) }
        guard path.isEmpty || bytes[path.lowerBound] == UInt8(ascii: "/"),
            let routes = Self.match(root, bytes, start, path.upperBound, &values)
        else { throw HTTPError(.notFound, "not-found", "Nothing is found at this path.") }
        let method = head.method
        guard
            let route = routes.first(where: { $0.route.method == method })
                ?? (method == .head ? routes.first { $0.route.method == .get } : nil)
        else {
            let methods = Set(routes.map(\.route.method))
            if method == .options { return Self.tell(methods) }
            throw HTTPError(
                .methodNotAllowed, "method-not-allowed", "The path does not have the method \(method.rawValue).",
                fields: Self.allow(methods))
        }
        return Found(
            handler: route.handler, parameters: PathParameters(names: route.names, bytes: bytes, ranges: values),
            route: route.route)
    }

    /// `Allow` (RFC 9110 §10.2.1) for a path of these methods.
    private static func allow(_ methods: Set<Method>) -> HeaderFields {
        let all = methods.union(methods.contains(.get) ? [.head, .options] : [.options])
        return ["allow": all.map(\.rawValue).sorted().joined(separator: ", ")]
    }

    private static func tell(_ methods: Set<Method>) -> Found {
        let fields = allow(methods)
        return Found(
            handler: { _ in Response(.noContent, fields: fields) }, parameters: PathParameters(), route: nil)
    }

    private static func match(
        _ node: Node, _ bytes: [UInt8], _ start: Int, _ end: Int, _ values: inout [Range<Int>]
    ) -> [Place]? {
        var stop = start
        while stop < end, bytes[stop] != UInt8(ascii: "/") { stop += 1 }
        let isLast = stop == end
        for index in node.literals.indices where equals(bytes, start..<stop, node.literals[index].segment) {
            let next = node.literals[index].node
            if isLast {
                if !next.routes.isEmpty { return next.routes }
            } else if let routes = match(next, bytes, stop + 1, end, &values) {
                return routes
            }
        }
        guard let parameter = node.parameter, stop > start else { return nil }
        values.append(start..<stop)
        if isLast {
            if !parameter.routes.isEmpty { return parameter.routes }
        } else if let routes = match(parameter, bytes, stop + 1, end, &values) {
            return routes
        }
        values.removeLast()
        return nil
    }

    private static func equals(_ bytes: [UInt8], _ range: Range<Int>, _ literal: [UInt8]) -> Bool {
        if range.count < literal.count { return false }
        var index = range.lowerBound
        for byte in literal {
            if bytes[index] != byte { return maySpell(bytes, range, literal) }
            index += 1
        }
        return index == range.upperBound || maySpell(bytes, range, literal)
    }

    /// Whether `range` is another way to write the literal, with escapes.
    private static func maySpell(_ bytes: [UInt8], _ range: Range<Int>, _ literal: [UInt8]) -> Bool {
        range.count > literal.count && bytes[range].contains(UInt8(ascii: "%"))
            && PercentDecoding.decoded(bytes, range, plusIsSpace: false) == literal
    }
}

/// The values of a pattern's segments in braces, decoded.
public struct PathParameters: Sendable {
    var names: [String] = []
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []

    /// All values, in the order of the pattern.
    var values: [String] { ranges.map { PercentDecoding.text(bytes, $0) } }

    /// The value of `{name}`; a name that the pattern does not have is a programmer's error.
    public subscript(name: String) -> String {
        guard let index = names.firstIndex(of: name) else { preconditionFailure("the pattern has no {\(name)}") }
        return PercentDecoding.text(bytes, ranges[index])
    }

    /// The same; nil where the pattern does not have that name.
    public func value(_ name: String) -> String? { names.contains(name) ? self[name] : nil }
}
