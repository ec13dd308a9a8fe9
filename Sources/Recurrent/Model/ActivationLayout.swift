import Kernels

/// Where the activations of one model lie while a batch is computed.
///
/// The memory is a row of regions, each wide enough for whatever lies in it by turns: the residual stream, twice where a
/// branch moves it; two regions that the outputs of norms and stages take turns in; what stages compute in beside; and
/// the rows that go into the model and come out.
struct ActivationLayout {
    let memory: MatrixMemory
    /// The stream before the first branch.
    let stream: Matrix
    /// The stream behind the last branch.
    let last: Matrix
    let branches: [BranchPlace]
    /// Where input vectors go: the stream itself where they have no map. Nil for tokens.
    let vectors: Matrix?
    /// Rows of `last` whose outputs are wanted.
    let chosen: Matrix
    /// What maps before the output map leave of those rows.
    let hiddenOutputs: [Matrix]
    let outputs: Matrix
    private let regions: Regions
    private let rows: Int

    /// Columns of each region, in the order in which they lie; a region of no columns is not there.
    struct Regions {
        var stream = 0
        var otherStream = 0
        var turns = [0, 0]
        var work: [Int] = []
        var vectors = 0
        var outputs = 0

        init(_ branches: [Branch], _ configuration: ModelConfiguration) {
            stream = configuration.width
            for branch in branches {
                if branch.movesStream { otherStream = max(otherStream, branch.inputs, branch.outputs) }
                var turn = 0
                func take(_ columns: Int) {
                    turns[turn] = max(turns[turn], columns)
                    turn = 1 - turn
                }
                if branch.norm != nil { take(branch.inputs) }
                for (index, stage) in branch.stages.enumerated() {
                    for (index, columns) in stage.workColumns.enumerated() {
                        if index == work.count { work.append(0) }
                        work[index] = max(work[index], columns)
                    }
                    if index + 1 < branch.stages.count || !branch.endsInStream { take(stage.outputs) }
                }
                if case .highway = branch.join { take(branch.outputs) }
            }
            stream = max(stream, otherStream)
            turns[0] = max(turns[0], branches.last?.outputs ?? configuration.width)
            for (index, width) in configuration.hiddenOutputWidths.enumerated() {
                turns[1 - index % 2] = max(turns[1 - index % 2], width)
            }
            if case .vectors(let size) = configuration.input, configuration.mapsInput { vectors = size }
            outputs = configuration.outputSize
        }

        var columns: [Int] { ([stream, otherStream] + turns + work + [vectors, outputs]).filter { $0 > 0 } }

        /// Bytes that regions of so many rows need.
        func bytes(rows: Int) -> Int { columns.reduce(0) { $0 + Matrix.bytes(rows: rows, columns: $1) } }
    }

    init(
        _ branches: [Branch], _ state: StateLayout, _ configuration: ModelConfiguration, rows: Int,
        in memory: MatrixMemory
    ) {
        let regions = Regions(branches, configuration)
        (self.memory, self.rows, self.regions) = (memory, rows, regions)
        var end = 0
        /// A region as wide as `columns`, and what makes matrices in it.
        func region(_ columns: Int) -> (Int) -> Matrix {
            let offset = end
            end += columns > 0 ? Matrix.bytes(rows: rows, columns: columns) : 0
            return { Matrix(rows: rows, columns: $0, in: memory, at: offset) }
        }
        let streams = [region(regions.stream), region(regions.otherStream)]
        let turns = regions.turns.map(region)
        let work = regions.work.map(region)
        let (vectorRegion, outputRegion) = (region(regions.vectors), region(regions.outputs))

        var (side, stream) = (0, streams[0](configuration.width))
        self.stream = stream
        var places: [BranchPlace] = []
        for (branch, offsets) in zip(branches, state.offsets) {
            var turn = 0
            func take(_ columns: Int) -> Matrix {
                defer { turn = 1 - turn }
                return turns[turn](columns)
            }
            let before = stream
            if branch.movesStream {
                side = 1 - side
                stream = streams[side](branch.outputs)
            }
            let normed = branch.norm.map { _ in take(branch.inputs) }
            var x = normed ?? before
            var stages: [StagePlace] = []
            for (index, stage) in branch.stages.enumerated() {
                let isLast = index + 1 == branch.stages.count && branch.endsInStream
                let y = isLast ? stream : take(stage.outputs)
                var adds = isLast
                if case .replace = branch.join { adds = false }
                stages.append(
                    StagePlace(
                        x: x, y: y, work: stage.workColumns.enumerated().map { work[$0]($1) }, offset: offsets[index],
                        adds: adds))
                x = y
            }
            var gate: Matrix?
            if case .highway = branch.join { gate = take(branch.outputs) }
            places.append(BranchPlace(stream: before, next: stream, normed: normed, gate: gate, stages: stages))
        }
        (self.branches, last) = (places, stream)
        chosen = turns[0](stream.columns)
        switch configuration.input {
        case .tokens: vectors = nil
        case .vectors(let size): vectors = configuration.mapsInput ? vectorRegion(size) : self.stream
        }
        hiddenOutputs = configuration.hiddenOutputWidths.enumerated().map { turns[1 - $0 % 2]($1) }
        outputs = outputRegion(configuration.outputSize)
        precondition(end == regions.bytes(rows: rows), "\(end) bytes of \(regions.bytes(rows: rows))")
    }

    /// What batches of so many rows write to at most, in whole pages.
    func bytes(touchedBy rows: Int) -> Int {
        var (total, offset) = (0, 0)
        for columns in regions.columns {
            let end = offset + Matrix.bytes(rows: rows, columns: columns)
            total += (end + MatrixMemory.page - 1) / MatrixMemory.page - offset / MatrixMemory.page
            offset += Matrix.bytes(rows: self.rows, columns: columns)
        }
        return total * MatrixMemory.page
    }
}
