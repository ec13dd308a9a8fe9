import Kernels
import Recurrent
import Threading

/// Whether steps and a prefill of the same inputs give the same bytes: what makes their speeds comparable.
enum BenchAgreement {
    private static let steps = 70

    /// Compares the outputs after each of some steps, and the last states.
    static func holds(_ model: RecurrentModel, rows: Int, _ team: Team) -> Bool {
        let prefill = Workspace(model, rows: max(rows, steps), sequences: 1, team: team)
        let single = Workspace(model, rows: 1, sequences: 1, team: team)
        let input = BenchInput(model)
        prefill.reset(0)
        single.reset(0)
        for step in 0..<steps { input.append(0, step, to: prefill) }
        model.advance(prefill)
        model.outputs(prefill, rows: Array(0..<steps))
        for step in 0..<steps {
            single.clear()
            input.append(0, step, to: single)
            model.advance(single)
            model.outputs(single, rows: [0])
            guard bits(single.outputs.values(0)) == bits(prefill.outputs.values(step)) else { return false }
        }
        return bits(single.states.values(0)) == bits(prefill.states.values(0))
    }

    private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }
}
