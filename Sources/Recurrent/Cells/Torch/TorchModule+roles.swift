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
    typealias Offer = TorchModule.Offer

    /// The one place that shapes and names leave each matrix that `config.json` does not name.
    ///
    /// - Throws: where they leave a choice, or a matrix has no place.
    func reading(of maps: [Map], beside stack: TorchStack) throws(CheckpointError) -> Reading {
        let offer = Offer(maps, beside: stack, self)
        if let reading = offer.only {
            guard let front = reading.front, front.role == .front else { return reading }
            let name = quoted(front.map.name)
            let canLeave = hints.root?["output"] != nil
            throw refuse(
                "tensor \(file.prefix + front.map.name).weight has shape [\(front.map.rows), \(front.map.columns)], which "
                    + "is of a linear map in front of the stack, and such a map is served where config.json names it"
                    + (canLeave ? ", and left out where that says null: " : ": "),
                settledBy: [advice([("input", name)])] + (canLeave ? [advice([("input", "null")])] : []))
        }
        if let misfit = offer.misfits.first, offer.chain == nil { throw refusal(of: misfit, beside: stack) }
        let names = offer.misfits.isEmpty ? offer.open.map(\.map.name) : offer.chain!.names.sorted()
        throw refuse(
            (names.count == 1
                ? "whether \(names[0]) is \(roles(offer.open[0].roles))"
                : "which of \(names.map(quoted).joined(separator: ", ")) stands in front of the stack and which behind it")
                + " cannot be seen in the tensors: a config.json ",
            settledBy: offer.configurations([], self, stack), " must say it")
    }

    /// Why a matrix that neither shape nor name gives a place is refused.
    private func refusal(of map: Map, beside stack: TorchStack) -> CheckpointError {
        let tensor = "\(file.prefix + map.name).weight"
        let shaped = map.shaped(beside: stack)
        if !shaped.isEmpty {
            let (place, field) = shaped.contains(.behind) ? ("behind", "output") : ("in front of", "input")
            return refuse(
                "tensor \(tensor) has shape [\(map.rows), \(map.columns)], which fits \(place) the stack, and its name is "
                    + "of one that stands elsewhere: ",
                settledBy: [advice([(field, quoted(map.name))])], " says that it stands there")
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

    /// What `config.json` says for a reading beside `first`: one way, or several where more than the places is open.
    func configurations(
        _ reading: Reading, _ open: [Map], _ stack: TorchStack, _ first: [(name: String, value: String)]
    ) -> [String] {
        var fields = first
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
}
