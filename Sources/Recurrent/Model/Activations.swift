import Kernels
import Threading

/// The memory that batches are computed in, one batch at a time, whatever their models: what lies between the inputs of
/// a batch and its outputs.
///
/// It has address space for the largest workspace that shares it. Of that, pages take memory that batches have written
/// to, at most the largest batch of each model and all of the address space, until `giveBack`. One thread uses it, with
/// a team or alone.
public final class Activations {
    let team: Team?
    /// One for each member of the team.
    let scratch: [Scratch]
    private(set) var memory: MatrixMemory?
    /// What this memory and the states of all workspaces that share it take at most, in bytes.
    public var heldBytes: Int { min(activationBytes, memory?.bytes ?? 0) + stateBytes }
    private var activationBytes = 0
    private var stateBytes = 0
    /// Raised by `giveBack`.
    private(set) var epoch = 0

    public init(team: Team? = nil) {
        self.team = team
        scratch = (0..<(team?.count ?? 1)).map { _ in Scratch() }
    }

    /// Makes room for workspaces that need so much. What others have in memory that was smaller they leave with their
    /// next batch.
    func reserve(_ bytes: Int) -> MatrixMemory {
        if let memory, memory.bytes >= bytes { return memory }
        giveBack()
        let larger = MatrixMemory(bytes: bytes, isSparse: false)
        memory = larger
        return larger
    }

    func note(activations bytes: Int) { activationBytes += bytes }

    func note(states bytes: Int) { stateBytes += bytes }

    /// Gives all pages of activations back to the system. Not while a batch is being made or read.
    public func giveBack() {
        guard activationBytes > 0 else { return }
        memory?.giveBack()
        activationBytes = 0
        epoch += 1
    }
}

/// Where the activations of one model lie.
struct ActivationLayout {
    let memory: MatrixMemory
    /// Before the first block and behind each: one and the same where all widths are equal.
    let stages: [Stage]
    let mlpHidden: Matrix?
    let vectors: Matrix?
    let outputs: Matrix
    /// What cells compute in beside their input and output.
    let work: [Matrix]
    /// Columns of each matrix, in the order in which they lie.
    private let columns: [Int]
    private let rows: Int

    /// Bytes that matrices of so many rows need.
    static func bytes(_ configuration: ModelConfiguration, rows: Int) -> Int {
        columns(configuration).reduce(0) { $0 + Matrix.bytes(rows: rows, columns: $1) }
    }

    /// Of each distinct width of the stream a stage, then the others.
    private static func columns(_ configuration: ModelConfiguration) -> [Int] {
        var columns: [Int] = []
        for width in configuration.distinctWidths {
            columns += [width, width, width, configuration.hiddenWidth(behind: width)]
        }
        if let mlp = configuration.mlp { columns.append(mlp.width) }
        if case .vectors(let size) = configuration.input, configuration.mapsInput { columns.append(size) }
        let widest = configuration.distinctWidths.map { configuration.hiddenWidth(behind: $0) }.max()!
        return columns + [configuration.outputSize, widest, widest]
    }

    init(_ configuration: ModelConfiguration, rows: Int, in memory: MatrixMemory) {
        (self.memory, self.rows, columns) = (memory, rows, Self.columns(configuration))
        var rest = columns[...]
        var offset = 0
        func next() -> Matrix {
            let matrix = Matrix(rows: rows, columns: rest.removeFirst(), in: memory, at: offset)
            offset += Matrix.bytes(rows: rows, columns: matrix.columns)
            return matrix
        }
        var byWidth: [Int: Stage] = [:]
        for width in configuration.distinctWidths {
            byWidth[width] = Stage(stream: next(), a: next(), b: next(), hidden: next())
        }
        stages = configuration.streamWidths.map { byWidth[$0]! }
        mlpHidden = configuration.mlp == nil ? nil : next()
        switch configuration.input {
        case .tokens: vectors = nil
        case .vectors: vectors = configuration.mapsInput ? next() : stages[0].stream
        }
        outputs = next()
        work = [next(), next()]
        precondition(rest.isEmpty && offset == Self.bytes(configuration, rows: rows), "\(rest.count) matrices left")
    }

    /// What batches of so many rows write to at most, in whole pages.
    func bytes(touchedBy rows: Int) -> Int {
        var (total, offset) = (0, 0)
        for columns in columns {
            let end = offset + Matrix.bytes(rows: rows, columns: columns)
            total += (end + MatrixMemory.page - 1) / MatrixMemory.page - offset / MatrixMemory.page
            offset += Matrix.bytes(rows: self.rows, columns: columns)
        }
        return total * MatrixMemory.page
    }
}

/// The memory of activations as wide as the residual stream at one place, rows × width.
struct Stage {
    let stream: Matrix
    let a: Matrix
    let b: Matrix
    /// Hidden states of the block that ends here.
    let hidden: Matrix
}

extension ModelConfiguration {
    /// Widths of the residual stream, each once, in order of their first place.
    fileprivate var distinctWidths: [Int] {
        var widths: [Int] = []
        for width in streamWidths where !widths.contains(width) { widths.append(width) }
        return widths
    }

    /// Hidden values of a layer that leaves a stream of `width`.
    fileprivate func hiddenWidth(behind width: Int) -> Int { layerWidths == nil ? innerWidth : width }
}
