"""Prefill of the 11.3 M-parameter model against minGRU-pytorch, as it is and compiled, on the same weights."""

from figures import Measure, Ratio, Target
from models import LARGE, make
from ours import bench
from peers.process import Peer
from settings import Settings
from works.agreement import differences

SIZES = [(1, 2048), (8, 512), (32, 256)]
SIDES = ("ours", "eager", "compile")


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "prefill", LARGE)
    threads = str(settings.threads)
    rates: dict[str, dict[tuple[int, int], list[float]]] = {side: {size: [] for size in SIZES} for side in SIDES}
    fractions: dict[tuple[int, int], list[float]] = {size: [] for size in SIZES}
    peaks: list[float] = []
    with (
        Peer("language_model", str(folder), "eager", threads) as eager,
        Peer("language_model", str(folder), "compile", threads) as compiled,
    ):
        agreement = differences(settings, folder, {"eager": eager, "compile": compiled}, "prefill_logits")
        for _ in range(settings.rounds(7)):
            for sequences, steps in SIZES:
                tokens = sequences * steps
                report = bench(
                    settings, folder, "--prefill", f"{sequences}x{steps}", "--step", "none", "--runs", "1"
                )
                work = report["works"][0]
                rates["ours"][sequences, steps].append(work["tokens_per_second"])
                fractions[sequences, steps].append(work["fraction_of_peak"]["median"])
                peaks += report["multiply_add_peak_gflops"]["all"]
                for name, peer in (("eager", eager), ("compile", compiled)):
                    seconds = peer.ask("prefill", sequences=sequences, steps=steps)
                    rates[name][sequences, steps].append(tokens / seconds)

    figures: list[Ratio | Measure] = []
    for size in SIZES:
        work = f"prefill {size[0]} × {size[1]}"
        ours = rates["ours"][size]
        for name, against, bound in (("eager", "PyTorch eager", 2.2), ("compile", "torch.compile", 1.6)):
            figures.append(Ratio(work, against, ours, rates[name][size], "tokens/s", target=Target(bound)))
        percent = [100 * fraction for fraction in fractions[size]]
        figures.append(Measure(work, "of the multiply-add peak", percent, "%", Target(70)))
    return {
        "figures": [figure.record() for figure in figures],
        "largest_difference_of_logits": agreement,
        "multiply_add_peak_gflops": peaks,
    }
