"""Prompts that begin with the same thousand tokens, with and without the states of what they have in common."""

import json
import random
from time import perf_counter

from figures import Measure, Ratio, Target
from ours import Server
from settings import ROOT, Settings

SHARED, ENDINGS, ENDING = 1_000, 64, 16


def run(settings: Settings) -> dict:
    folder = ROOT / "Models" / "shakespeare-mingru"
    rounds = settings.rounds(7)
    seconds: dict[tuple[str, str], list[float]] = {}
    reused: dict[str, list[float]] = {"one after another": [], "at once": []}
    with Server(settings, folder.parent) as server:
        vocabulary = json.loads(server.get(f"/v1/models/{folder.name}"))["vocabulary_size"]
        for turn in range(rounds):
            for way in reused:
                # Prompts that are new to the server, the same for both modes.
                prompts = _prompts(vocabulary, f"{turn} {way}")
                outputs = []
                for mode in ("bypass", "auto"):
                    start = perf_counter()
                    results = _send(server, folder.name, prompts, way, mode)
                    seconds.setdefault((way, mode), []).append(perf_counter() - start)
                    outputs.append([result["output"] for result in results])
                if outputs[0] != outputs[1]:
                    raise RuntimeError(f"sent {way}, prompts have other outputs with kept states than without")
                reused[way].append(sum(result["usage"]["cached_steps"] >= SHARED for result in results))

    figures = []
    for way, least in (("one after another", 62), ("at once", 63)):
        work = f"{ENDINGS} prompts of {SHARED:,} + {ENDING} tokens, {way}"
        times = seconds[way, "auto"], seconds[way, "bypass"]
        figures.append(Ratio(f"{work}: seconds", "without kept states", *times, "s", target=Target(0.2, at_least=False)))
        figures.append(Measure(work, f"resumed at {SHARED:,} or later", reused[way], "prompts", target=Target(least)))
    return {"figures": [figure.record() for figure in figures]}


def _prompts(vocabulary: int, seed: str) -> list[list[int]]:
    generator = random.Random(seed)
    shared = [generator.randrange(vocabulary) for _ in range(SHARED)]
    # The prompts differ in the first token behind the shared ones.
    firsts = generator.sample(range(vocabulary), ENDINGS)
    return [shared + [first] + [generator.randrange(vocabulary) for _ in range(ENDING - 1)] for first in firsts]


def _send(server: Server, model: str, prompts: list[list[int]], way: str, mode: str) -> list[dict]:
    batches = [prompts] if way == "at once" else [[prompt] for prompt in prompts]
    results: list[dict] = []
    for batch in batches:
        body = {"model": model, "sequences": [{"tokens": prompt} for prompt in batch], "cache": {"mode": mode}}
        results += server.post("/v1/prefill", body)["results"]
    return results
