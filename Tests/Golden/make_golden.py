#!/usr/bin/env python3
"""Makes the golden files: small random minGRU-pytorch checkpoints and the logits that PyTorch computes from them.

Per case there is a model folder with `model.safetensors` alone, and beside it `<case>.golden.safetensors` with
`tokens` int32 (STEPS) and `logits` float32 (STEPS, vocabulary) of one whole-sequence call in float32.

Before anything is written, the same logits are computed twice more: by the package in float64, and by `sequential`
below, which shares no code with it. All three must agree.

    python3 -m venv .venv && .venv/bin/pip install -r Tests/Golden/requirements.txt
    .venv/bin/python Tests/Golden/make_golden.py
"""

import copy
from pathlib import Path

import torch
from minGRU_pytorch.minLM import minLM
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
VOCABULARY, DIM, DEPTH, STEPS = 29, 24, 2, 64

# name: arguments of minLM; the two that vary within a case list are chosen so that every value occurs.
CASES = {
    f"{cell}-x{str(expansion).replace('.', '_')}-{'conv' if conv else 'plain'}": dict(
        use_lstm=cell == "minlstm", expansion=expansion, enable_conv=conv, ff_mult=2, conv_kernel_size=3
    )
    for cell in ("mingru", "minlstm")
    for expansion in (1.0, 1.5)
    for conv in (False, True)
}
CASES["mingru-x1_5-plain"]["ff_mult"] = 4
CASES["minlstm-x1_5-conv"]["conv_kernel_size"] = 4


def random_model(seed: int, arguments: dict) -> minLM:
    torch.manual_seed(seed)
    model = minLM(num_tokens=VOCABULARY, dim=DIM, depth=DEPTH, **arguments)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.3)
            elif parameter.dim() == 1:  # initial ones would hide a norm without its weight
                parameter.copy_(1 + 0.5 * torch.randn_like(parameter))
            elif ".2." in name:  # wide enough that gates open, close, and candidates take both branches of g
                parameter.normal_(0, 1.5 / parameter.shape[1] ** 0.5)
    return model.eval()


def sequential(weights: dict, tokens: torch.Tensor, arguments: dict) -> torch.Tensor:
    """The same model one step at a time, in linear space, in float64, from the tensors alone: (STEPS, vocabulary)."""
    w = {name: tensor.double() for name, tensor in weights.items()}
    epsilon = torch.finfo(torch.float32).eps
    kernel = arguments["conv_kernel_size"]

    def rms_norm(x, weight):
        return x / torch.sqrt((x * x).mean() + epsilon) * weight

    def g(x):
        return torch.where(x >= 0, x + 0.5, torch.sigmoid(x))

    def gelu(x):
        return 0.5 * x * (1 + torch.erf(x / 2**0.5))

    inner = int(DIM * arguments["expansion"])
    hidden = [torch.zeros(inner, dtype=torch.float64) for _ in range(DEPTH)]
    window = [torch.zeros(kernel, DIM, dtype=torch.float64) for _ in range(DEPTH)]
    logits = []
    for token in tokens.tolist():
        x = w["token_emb.weight"][token]
        for n in range(DEPTH):
            layer = f"layers.{n}."
            if arguments["enable_conv"]:
                window[n] = torch.cat((window[n][1:], x[None]))
                depthwise = w[layer + "0.net.0.weight"][:, 0, :]  # (dim, kernel), the last tap is the newest input
                y = (depthwise * window[n].T).sum(1) + w[layer + "0.net.0.bias"]
                x = x + w[layer + "0.net.1.weight"][:, :, 0] @ y + w[layer + "0.net.1.bias"]
            y = rms_norm(x, w[layer + "1.weight"])
            if arguments["use_lstm"]:
                candidate, forget, enter = (w[layer + "2.to_hidden_and_f_i_gate.weight"] @ y).chunk(3)
                forget, enter = torch.sigmoid(forget), torch.sigmoid(enter)
                kept, taken = forget / (forget + enter), enter / (forget + enter)
            else:
                candidate, gate = (w[layer + "2.to_hidden_and_gate.weight"] @ y).chunk(2)
                kept, taken = torch.sigmoid(-gate), torch.sigmoid(gate)
            hidden[n] = kept * hidden[n] + taken * g(candidate)
            out = w[layer + "2.to_out.weight"] @ hidden[n] if layer + "2.to_out.weight" in w else hidden[n]
            x = x + out
            y = rms_norm(x, w[layer + "3.weight"])
            y = gelu(w[layer + "4.0.weight"] @ y + w[layer + "4.0.bias"])
            x = x + w[layer + "4.2.weight"] @ y + w[layer + "4.2.bias"]
        logits.append(w["to_logits.weight"] @ rms_norm(x, w["norm.weight"]))
    return torch.stack(logits)


def in_double(model: minLM, tokens: torch.Tensor) -> torch.Tensor:
    model = copy.deepcopy(model).double()
    for module in model.modules():  # eps None means the epsilon of the input's type, which must not change with it
        if isinstance(module, torch.nn.RMSNorm):
            module.eps = torch.finfo(torch.float32).eps
    return model(tokens[None])[0]


def check(name: str, what: str, difference: float, limit: float):
    assert difference <= limit, f"{name}: {what} differ by {difference:.2e}, more than {limit:.0e}"


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    print(f"{'case':22} float32-float64  sequential-float64  largest logit")
    for seed, (name, arguments) in enumerate(CASES.items(), start=1):
        model = random_model(seed, arguments)
        tokens = torch.randint(0, VOCABULARY, (STEPS,), generator=torch.Generator().manual_seed(1000 + seed))
        weights = {key: value.detach().clone().contiguous() for key, value in model.state_dict().items()}
        with torch.no_grad():
            single = model(tokens[None])[0]
            double = in_double(model, tokens)
            loop = sequential(weights, tokens, arguments)
        of_single = (single.double() - double).abs().max().item()
        of_loop = (loop - double).abs().max().item()
        print(f"{name:22} {of_single:15.2e}  {of_loop:18.2e}  {double.abs().max().item():13.3f}")
        check(name, "float32 and float64", of_single, 1e-5)
        check(name, "the sequential loop and float64", of_loop, 1e-11)

        folder = HERE / name
        folder.mkdir(exist_ok=True)
        save_file(weights, folder / "model.safetensors")
        save_file({"tokens": tokens.int(), "logits": single.contiguous()}, HERE / f"{name}.golden.safetensors")


if __name__ == "__main__":
    main()
