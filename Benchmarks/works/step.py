"""One step of many sessions at once, in every weight type, against PyTorch and ONNX Runtime."""

from figures import Ratio, Target
from models import LARGE, make
from ours import bench
from peers.process import Peer
from settings import Settings
from works.agreement import differences

SESSIONS = (1, 64, 512)
WEIGHTS = ("f32", "f16", "int8")
# The least ratio to eager PyTorch, by sessions and weights.
TARGETS = {(1, "f32"): 2.0, (1, "f16"): 4.0, (1, "int8"): 7.0, (64, "f32"): 1.8, (512, "f32"): 1.25}
PEERS = {"eager": "PyTorch eager", "compile": "torch.compile", "onnx": "ONNX Runtime"}


def run(settings: Settings) -> dict:
    folder = make(settings.scratch / "step", LARGE)
    threads = str(settings.threads)
    seconds: dict[tuple[int, str], list[float]] = {(n, side): [] for n in SESSIONS for side in (*WEIGHTS, *PEERS)}
    with (
        Peer("language_model", str(folder), "eager", threads) as eager,
        Peer("language_model", str(folder), "compile", threads) as compiled,
        Peer("onnx_step", str(folder), threads) as onnx,
    ):
        peers = {"eager": eager, "compile": compiled, "onnx": onnx}
        agreement = differences(settings, folder, peers, "step_logits")
        for _ in range(settings.rounds(9)):
            for sessions in SESSIONS:
                for weights in WEIGHTS:
                    options = ("--prefill", "none", "--step", str(sessions), "--runs", "3", "--weights", weights)
                    report = bench(settings, folder, *options)
                    seconds[sessions, weights].append(report["works"][0]["seconds"]["median"])
                for name, peer in peers.items():
                    times = sorted(peer.ask("step", sessions=sessions) for _ in range(3))
                    seconds[sessions, name].append(times[1])

    figures: list[Ratio] = []
    for sessions in SESSIONS:
        for weights in WEIGHTS:
            for name, against in PEERS.items():
                # The peers' own weights are float32; the other types are compared with what a PyTorch user has.
                if weights != "f32" and name != "eager":
                    continue
                bound = TARGETS.get((sessions, weights)) if name == "eager" else None
                figures.append(
                    Ratio(
                        f"step of {sessions} session{'s' * (sessions > 1)}, {weights}",
                        against,
                        [1e3 * time for time in seconds[sessions, weights]],
                        [1e3 * time for time in seconds[sessions, name]],
                        "ms",
                        inverse=True,
                        target=bound and Target(bound),
                    )
                )
    return {
        "figures": [figure.record() for figure in figures],
        "largest_difference_of_logits": agreement,
        # `scanstep bench` ends with an error where they do not.
        "steps_equal_prefill_to_the_bit": list(WEIGHTS),
    }
