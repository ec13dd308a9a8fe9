import Kernels
import Threading

/// A causal convolution over time that keeps the last inputs of a sequence.
struct ConvolutionStage: Stage {
    let convolution: DepthwiseConvolution

    var inputs: Int { convolution.channels }
    var outputs: Int { convolution.channels }
    /// `window`, time × channels, the oldest input first.
    var states: [StateTensor] {
        convolution.kernel > 1
            ? [StateTensor(name: "window", shape: [convolution.kernel - 1, convolution.channels])] : []
    }
    /// Its few multiply-adds do not count.
    var multiplyAdds: Int { 0 }

    func apply(_ place: StagePlace, _ workspace: Workspace, by member: borrowing Team.Member) {
        convolution.apply(
            place.x, workspace.batch, states: workspace.states, at: place.offset, into: place.y, by: member)
    }
}
