import JSON

extension TorchModule {
    /// The ways to give matrices beside a stack their places, of which `config.json` may choose one.
    struct Offer {
        /// A matrix, and where it can stand.
        typealias Open = (map: Map, roles: Set<Map.Role>)

        /// Matrices that can stand where `config.json` leaves something open. One that can stand elsewhere alone has no part
        /// in the model.
        let open: [Open]
        /// Matrices that shape and name give no place.
        let misfits: [Map]
        /// The ways that place most of the open ones.
        private let best: [Reading]
        /// As `best`, where names only tip the balance; empty where that places no more of them.
        private let wider: [Reading]
        /// The way that has all of them behind the stack, but for one in front.
        let chain: Reading?

        init(_ maps: [Map], beside stack: TorchStack, _ choice: Choice) {
            let findsFront = choice.hints.root?["input"] == nil
            let findsBehind = choice.hints.root?["output"] == nil
            let inputs = choice.hints.root?["inputs"]?.string
            func left(_ roles: Set<Map.Role>) -> Set<Map.Role> {
                var roles = roles
                if inputs == "tokens", roles.contains(.embedding) { roles.remove(.front) }
                if inputs == "vectors", roles.count > 1 { roles.remove(.embedding) }
                if !findsFront { roles.subtract([.embedding, .front]) }
                if !findsBehind { roles.remove(.behind) }
                return roles
            }
            func places(_ roles: (Map) -> Set<Map.Role>) -> [Open] {
                maps.map { ($0, left(roles($0))) }.filter { !$0.roles.isEmpty }
            }
            open = places { $0.roles(beside: stack) }
            misfits = findsBehind ? maps.filter { $0.roles(beside: stack).isEmpty } : []
            let readings = Self.readings(of: open)
            best = Self.fullest(readings)
            let others = Self.fullest(
                Self.readings(of: places { $0.shaped(beside: stack).intersection($0.possible) }))
            wider = others[0].names.count > best[0].names.count ? others : []
            chain = findsBehind ? Self.chain(of: maps, beside: stack, fronts: readings.map(\.front)) : nil
        }

        /// The only way to place all matrices; nil where there are several or none.
        var only: Reading? {
            misfits.isEmpty && best.count == 1 && best[0].names.count == open.count ? best[0] : nil
        }

        /// What `config.json` says for each way, beside `first`.
        func configurations(
            _ first: [(name: String, value: String)], _ choice: Choice, _ stack: TorchStack
        ) -> [String] {
            if let only { return choice.configurations(only, open.map(\.map), stack, first) }
            var readings = wider
            if wider.isEmpty, misfits.isEmpty || chain == nil { readings = best }
            return readings.flatMap { choice.configurations($0, open.map(\.map), stack, first) }
                + (chain.map { choice.configurations($0, [], stack, first) } ?? [])
        }

        private static func fullest(_ readings: [Reading]) -> [Reading] {
            let placed = readings.map(\.names.count).max()!
            return readings.filter { $0.names.count == placed }
        }

        /// All ways to give places to some of the matrices.
        private static func readings(of open: [(map: Map, roles: Set<Map.Role>)]) -> [Reading] {
            var fronts: [(map: Map, role: Map.Role)?] = [nil]
            for (map, roles) in open {
                for role in [Map.Role.embedding, .front] where roles.contains(role) { fronts.append((map, role)) }
            }
            let behinds: [Map?] = [nil] + open.filter { $0.roles.contains(.behind) }.map(\.map)
            return fronts.flatMap { front in
                behinds.filter { $0 == nil || $0!.name != front?.map.name }.map { behind in
                    Reading(front: front, behind: behind.map { [$0] } ?? [])
                }
            }
        }

        /// All matrices, but for one in front, one after the other behind the stack, in the order of the numbers of their
        /// names; nil where they do not fit each other.
        private static func chain(
            of maps: [Map], beside stack: TorchStack, fronts: [(map: Map, role: Map.Role)?]
        ) -> Reading? {
            func key(_ map: Map) -> (String, Int) {
                let digits = map.name.reversed().prefix { $0.isASCII && $0.isNumber }
                return (String(map.name.dropLast(digits.count)), Int(String(digits.reversed())) ?? -1)
            }
            for front in fronts {
                let behind = maps.filter { $0.name != front?.map.name }.sorted { key($0) < key($1) }
                var width = stack.outputs
                let fits = behind.allSatisfy { map in
                    defer { width = map.rows }
                    return map.columns == width
                }
                if fits, behind.count > 1 { return Reading(front: front, behind: behind) }
            }
            return nil
        }
    }
}
