import JSON

extension TorchModule {
    /// One way to give the matrices beside a stack their places.
    struct Reading {
        var front: (map: Map, role: Map.Role)?
        var behind: [Map] = []

        var names: Set<String> { Set(behind.map(\.name) + (front.map { [$0.map.name] } ?? [])) }
    }
}

extension TorchModule.Choice {
    typealias Map = TorchModule.Map
    typealias Reading = TorchModule.Reading

    /// The one place that shapes and names leave each matrix that `config.json` does not name.
    ///
    /// - Parameters:
    ///   - findsFront: whether `config.json` leaves open what stands in front of the stack.
    ///   - findsBehind: whether it leaves open what stands behind. A matrix that can stand where it leaves nothing open
    ///     alone has no part in the model.
    /// - Throws: where they leave a choice, or a matrix has no place.
    func reading(
        of maps: [Map], beside stack: TorchStack, findsFront: Bool, findsBehind: Bool
    ) throws(CheckpointError) -> Reading {
        var (open, misfits): ([(map: Map, roles: Set<Map.Role>)], [Map]) = ([], [])
        let inputs = hints.root?["inputs"]?.string
        for map in maps {
            var roles = map.roles(beside: stack)
            let isMisfit = roles.isEmpty
            if inputs == "tokens", roles.contains(.embedding) { roles.remove(.front) }
            if inputs == "vectors", roles.count > 1 { roles.remove(.embedding) }
            if !findsFront { roles.subtract([.embedding, .front]) }
            if !findsBehind { roles.remove(.behind) }
            if !roles.isEmpty { open.append((map, roles)) }
            if isMisfit, findsBehind { misfits.append(map) }
        }
        let readings = readings(of: open)
        let placed = readings.map(\.names.count).max()!
        let best = readings.filter { $0.names.count == placed }
        if misfits.isEmpty, placed == open.count, best.count == 1 {
            guard let front = best[0].front, front.role == .front else { return best[0] }
            throw refuse(
                "tensor \(file.prefix + front.map.name).weight has shape [\(front.map.rows), \(front.map.columns)], which "
                    + "is of a linear map in front of the stack, and such a map is served where config.json names it: "
                    + advice([("input", quoted(front.map.name))])
                    + (findsBehind ? "" : "; it is left out by " + advice([("input", "null")])))
        }
        let chains = findsBehind ? chain(of: maps, beside: stack, fronts: readings.map(\.front)) : []
        if let misfit = misfits.first, chains.isEmpty { throw refusal(of: misfit, beside: stack) }
        let names = misfits.isEmpty ? open.map(\.map.name) : chains[0].names.sorted()
        throw refuse(
            (names.count == 1
                ? "whether \(names[0]) is \(roles(open[0].roles))"
                : "which of \(names.map(quoted).joined(separator: ", ")) stands in front of the stack and which behind it")
                + " cannot be seen in the tensors: a config.json "
                + list(
                    (misfits.isEmpty ? best : []).flatMap { configurations($0, open.map(\.map), stack) }
                        + chains.flatMap { configurations($0, [], stack) })
                + " must say it"
                + (chains.isEmpty ? "" : "; output_activation is what stands between several: \(activations) or null"))
    }

    /// All ways to give places to some of the matrices.
    private func readings(of open: [(map: Map, roles: Set<Map.Role>)]) -> [Reading] {
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
    /// names; empty where they do not fit each other.
    private func chain(
        of maps: [Map], beside stack: TorchStack, fronts: [(map: Map, role: Map.Role)?]
    ) -> [Reading] {
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
            if fits, behind.count > 1 { return [Reading(front: front, behind: behind)] }
        }
        return []
    }

    /// Why a matrix that neither shape nor name gives a place is refused.
    private func refusal(of map: Map, beside stack: TorchStack) -> CheckpointError {
        let tensor = "\(file.prefix + map.name).weight"
        let shaped = map.shaped(beside: stack)
        if !shaped.isEmpty {
            let (place, field) = shaped.contains(.behind) ? ("behind", "output") : ("in front of", "input")
            return refuse(
                "tensor \(tensor) has shape [\(map.rows), \(map.columns)], which fits \(place) the stack, and its name is "
                    + "of one that stands elsewhere: \(advice([(field, quoted(map.name))])) says that it stands there")
        }
        if map.bias != nil, map.columns == stack.inputs, map.named.isSubset(of: [.embedding, .front]) {
            return strayBias(of: map)
        }
        if map.named == [.embedding] {
            return .wrongShape(tensor: tensor, expected: [map.rows, stack.inputs], found: [map.rows, map.columns])
        }
        if map.named == [.front] {
            return .wrongShape(tensor: tensor, expected: [stack.inputs, map.columns], found: [map.rows, map.columns])
        }
        if map.bias != nil || map.named == [.behind] {
            return .wrongShape(tensor: tensor, expected: [map.rows, stack.outputs], found: [map.rows, map.columns])
        }
        return refuse(
            "tensor \(tensor) has shape [\(map.rows), \(map.columns)], which is neither an embedding (columns "
                + "\(stack.inputs)) nor a linear map in front of the stack (rows \(stack.inputs)) or behind it (columns "
                + "\(stack.outputs))")
    }

    /// A refusal of the bias of a matrix that would be an embedding without it.
    func strayBias(of map: Map) -> CheckpointError {
        refuse(
            "tensor \(file.prefix + map.bias!) is of an embedding by the shape of \(file.prefix + map.name).weight, "
                + "[\(map.rows), \(map.columns)], and an embedding has no bias")
    }

    /// What `config.json` says for a reading: one way, or several where more than the places is open.
    private func configurations(_ reading: Reading, _ open: [Map], _ stack: TorchStack) -> [String] {
        var fields: [(String, String)] = []
        let output = reading.behind.map { quoted($0.name) }
        if let (map, role) = reading.front {
            fields.append(("input", quoted(map.name)))
            if map.shaped(beside: stack).isSuperset(of: [.embedding, .front]) {
                fields.append(("inputs", role == .embedding ? "\"tokens\"" : "\"vectors\""))
            }
            if output.isEmpty, role == .embedding, map.columns == stack.outputs, hints.root?["output"] == nil {
                return ["true", "false"].map { advice(fields + [("tied", $0)]) }
            }
        } else if open.contains(where: {
            !reading.names.contains($0.name) && !$0.roles(beside: stack).isSubset(of: [.behind])
        }) {
            fields.append(("input", "null"))
        }
        if output.count == 1 { fields.append(("output", output[0])) }
        if output.count > 1 {
            fields.append(("output", "[\(output.joined(separator: ", "))]"))
            fields.append(("output_activation", "\"relu\""))
        }
        return [advice(fields)]
    }

    private func roles(_ roles: Set<Map.Role>) -> String {
        list(
            [
                roles.contains(.embedding) ? "an embedding" : nil,
                roles.contains(.front) ? "a linear map in front of the stack" : nil,
                roles.contains(.behind) ? "a linear map behind the stack" : nil,
            ].compactMap(\.self))
    }

    /// The first few of `words`, the last of them after "or".
    private func list(_ words: [String]) -> String {
        let shown = words.prefix(6)
        return shown.dropLast().joined(separator: ", ") + (shown.count > 1 ? " or " : "") + (shown.last ?? "")
    }
}
