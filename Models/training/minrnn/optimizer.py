"""Muon for the hidden matrices, AdamW for all other parameters, and the schedule of their rates."""

import math

import torch


class Muon(torch.optim.Optimizer):
    """Momentum whose update is replaced by its nearest orthogonal matrix (Newton-Schulz), in float32.

    torch.optim.Muon iterates in bfloat16, which many CPUs lack: forty times slower there.
    """

    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.05):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for matrix in group["params"]:
                if "momentum" not in self.state[matrix]:
                    self.state[matrix]["momentum"] = torch.zeros_like(matrix)
                momentum = self.state[matrix]["momentum"]
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(momentum, group["momentum"])
                wide = update if update.shape[0] <= update.shape[1] else update.t()
                wide = wide / (wide.norm() + 1e-7)
                for _ in range(5):
                    square = wide @ wide.t()
                    wide = 3.4445 * wide + (-4.775 * square + 2.0315 * square @ square) @ wide
                update = wide if update.shape[0] <= update.shape[1] else wide.t()
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))


def optimizers(model, rate, matrix_rate, weight_decay=0.01):
    matrices = [p for n, p in model.layers.named_parameters() if p.ndim == 2 and "conv" not in n]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        Muon(matrices, lr=matrix_rate),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=weight_decay),
    ]


def schedule(step, steps, warmup=20):
    """Linear warm-up, constant, then linear to zero over the last half."""
    return min((step + 1) / warmup, 1.0, 2.0 * (steps - step) / steps)
