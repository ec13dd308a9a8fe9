"""The paper's comparison, for serving: time and memory of absorbing longer and longer inputs, at equal width."""

from figures import Ratio
from ours import bench
from peers.process import Peer
from settings import Settings

LAYERS, WIDTH, VOCABULARY = 3, 384, 256
PEERS = {"gru": "torch nn.GRU", "lstm": "torch nn.LSTM", "mingru": "PyTorch minGRU"}


def run(settings: Settings) -> dict:
    lengths = [2**power for power in range(6, 11 if settings.quick else 15)]
    times: dict[str, dict[int, list[float]]] = {side: {n: [] for n in lengths} for side in ("ours", *PEERS)}
    memory: dict[str, dict[int, list[float]]] = {side: {n: [] for n in lengths} for side in ("ours", *PEERS)}
    shape = f"cell=minGRU,layers={LAYERS},width={WIDTH},inner={WIDTH},mlp=0,vocabulary={VOCABULARY}"
    for _ in range(settings.rounds(5)):
        # Fresh processes: what an allocator keeps of a long input must not be counted for the next round's short one.
        with (
            Peer("recurrent_layers", "gru", str(settings.threads)) as gru,
            Peer("recurrent_layers", "lstm", str(settings.threads)) as lstm,
            Peer("recurrent_layers", "mingru", str(settings.threads)) as mingru,
        ):
            peers = {"gru": gru, "lstm": lstm, "mingru": mingru}
            for peer in peers.values():
                peer.ask("load", layers=LAYERS, width=WIDTH, vocabulary=VOCABULARY)
            for steps in lengths:
                report = bench(
                    settings, None, "--shape", shape, "--prefill", f"1x{steps}", "--step", "none", "--runs", "1"
                )
                work = report["works"][0]
                times["ours"][steps].append(work["seconds"]["median"])
                memory["ours"][steps].append(work["resident_peak_bytes"] - report["resident_loaded_bytes"])
                for name, peer in peers.items():
                    found = peer.ask("absorb", steps=steps)
                    times[name][steps].append(found["seconds"])
                    memory[name][steps].append(found["bytes"])

    figures = [
        Ratio(
            f"absorbing {steps:,} steps, {LAYERS} layers of {WIDTH}", against,
            [1e3 * time for time in times["ours"][steps]], [1e3 * time for time in times[name][steps]], "ms",
            inverse=True,
        )
        for steps in (lengths[0], lengths[len(lengths) // 2], lengths[-1])
        for name, against in PEERS.items()
    ]
    return {
        "figures": [figure.record() for figure in figures],
        "layers": LAYERS,
        "width": WIDTH,
        "seconds": times,
        "bytes": memory,
    }
