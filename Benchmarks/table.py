"""The results as Markdown."""

from pathlib import Path
from statistics import median

TITLES = {
    "prefill": "Prefill, 11.3 M parameters, two threads each",
    "million": "A long prefill",
    "step": "Steps, 11.3 M parameters, two threads each",
    "http": "Steps over HTTP, tiny model (dim 64, 2 layers)",
    "beside": "Steps beside a long prefill, over HTTP",
    "absorb": "Absorbing inputs: recurrent layers of equal width",
    "cells": "GRU and LSTM of PyTorch, two threads each",
    "scan": "Associative against exact scan",
    "sessions": "A million sessions",
    "durability": "Steps that are on the disk before they are answered",
    "prefixes": "Prompts that begin with the same tokens",
    "hello": "The cheapest request",
    "crowd": "Steps beside a crowd of connections",
    "overload": "More requests than can be done",
    "leaks": "Clients that leave",
}

NOTES = {
    "prefill": """\
Both sides compute the logits of every position. The fraction of the peak counts the multiply-adds of matrix products
only, against a loop of fused multiply-adds on registers that runs on as many threads in the same process just before and
after each run.""",
    "million": """\
Both include the logits of every position. Memory is the largest resident size of the process during the run, beyond that
of the short one.""",
    "step": """\
Every step computes the logits of every session. PyTorch and ONNX Runtime compute in float32; `f16` and `int8` are our
weights, whose outputs after steps and after a prefill are equal to the bit in each type, as in float32.""",
    "http": """\
One thread of wrk, connections kept alive, as many sessions as connections; the peer keeps its sessions in a dict and
computes each request by itself, or, *batching*, all requests that one turn of its event loop has read.""",
    "beside": """\
Each client sends its next step when its reply arrives. The ratio is with the prefill over without it; lower is better.""",
    "absorb": """\
What the paper compares in training, for serving: one sequence through an embedding, layers with norms and residual
connections, and the logits of every position, in float32. Memory is what the process needed at most beyond its size with
the model loaded; PyTorch had absorbed a few tokens by then, Scanstep nothing.

![Time and memory](absorb.png)""",
    "cells": """\
Three layers, random, one plain state dict for all; vectors in, hidden states out. The peers compute in float32, ours with
weights in float32 and float16. The table has every work of width 384 in float32 against every peer, the others against
the best one, which is the one with the smallest median; all times are in results.json. What takes more than 4 s was
measured in three rounds.""",
    "scan": """\
Above 1 the associative scan is faster. A *scan alone* is one layer whose product has eight inputs only; a *prefill* is
a model of one layer without MLP, where the scan weighs most. The table has the longest inputs, the picture all; more
threads than cores share them.

![Exact and associative](scan.png)""",
    "sessions": """\
The `wide` model is random and has little to compute for a state of 8 KiB: dim 32, 2 layers, expansion 31.5. All sessions
are made and stepped over HTTP, 4096 a request, and verified to stand at step 2 before anything else is measured.
Memory is the server's resident size against the bytes of the states alone; its target is 1.1 times those and 256 MiB, lower
is better. *Random steps* are single requests on 64 connections, each for a session drawn at random: among all of them, and
among the first thousand. `/livez` under the same load is what the server's HTTP and the one thread of wrk can do at most.
Where there are more sessions than memory has room for, all are stepped once after they were made, the oldest first: by its
turn, each has been spilled to the disk by the others. *Exported* sessions are on the disk at that point, and must have the
metadata and the layers' bytes of a replay of their inputs.""",
    "prefixes": """\
64 prompts that share 1,000 tokens and end in 16 of their own, which differ from the first on; the shipped model, other
prompts every round. Lower is better. Sent one after another, the second prompt finds no state at the end of what it shares
with the first.""",
    "hello": """\
`GET /livez` on kept-alive connections. Every server has one event loop and one processor, the same for all, and wrk
has another; they run side by side and are loaded in turns. All send the same body, nginx from its configuration and
Hummingbird from a route; heads differ a little in size. Processor time is that of the server alone, without the
load generator's: it depends less on other programs. With access logs ours writes a line of JSON a request and nginx its own
format, as it does by default, one write a request, and, *buffer=64k*, many lines at once, as ours does. TLS is with a
P-256 certificate, on connections that last.""",
    "crowd": """\
wrk steps 64 sessions of the tiny model on 64 connections, each as soon as its reply arrives. Idle connections have each had
one request answered; slow ones send a head at one byte every two seconds, until the server closes them after 5 seconds, and
then reconnect. Every round has a new server; memory is its resident size after the idle connections
less that before, divided by their number. Lower is better but for the rate.""",
    "overload": """\
Prefills of 24 tokens of the 11.3 M model, none of them from the prefix cache. The capacity is the throughput of 16
connections, each of which sends when its reply arrives, on a server without a bound and with one compute thread;
`--max-queue-time` is half of the latency of one request there, in whole milliseconds. Ten times the capacity is sent,
evenly spread, whether or not replies arrive, for 30 s; a latency counts from when a request was due. Ratios of latencies
are to one request at a time, ten in a second, of the same server; lower is better. Generator and server share the
machine.""",
    "leaks": """\
Clients close or reset their connection in the head of a request, in its body, before its reply, in the reply, in a
stream of tokens or in a duplex stream; one request in four is read to its end. *Before* is after the first quarter of the
requests.""",
    "durability": """\
The shipped model, one thread of wrk; three servers, one for each `--durability`, loaded in turns. With `none` no reply
waits for the disk.""",
}

HEAD = """\
# Results

Written by `make bench`; [Benchmarks/README.md](../README.md) says how. Both sides of a ratio were measured in the same
minutes, in turns; a ratio is the median over the rounds of the quotient within a round, with the smallest and the largest
in brackets. Above 1 we are better, unless a note says otherwise. Ours and theirs are medians.

![Ratios and targets](ratios.png)
"""


def write(results: dict, file: Path, order: list[str]) -> None:
    sections = [HEAD]
    for name in order:
        if name not in results:
            continue
        part = results[name]
        sections.append(f"## {TITLES[name]}\n\n{NOTES[name]}\n\n{of_part(part)}\n{_footer(part)}")
    file.write_text("\n".join(sections))


def of_part(part: dict) -> str:
    """The table of one part's figures."""
    if not part["figures"]:
        return ""
    lines = [
        "| work | against | ours | theirs | ratio (min–max) | runs | target | reached |",
        "|---|---|---:|---:|---|---:|---|---|",
    ]
    for figure in part["figures"]:
        target = figure["target"]
        goal = f"{'≥' if target['at_least'] else '≤'} {number(target['bound'])}" if target else ""
        reached = {None: "", True: "yes", False: "**no**"}[figure["reached"]]
        spread = f"({number(figure['min'])}–{number(figure['max'])})"
        if "against" in figure:
            unit = figure["unit"]
            sides = [f"{number(median(figure[side]))} {unit}" for side in ("ours", "theirs")]
            cells = [figure["work"], figure["against"], *sides, f"{number(figure['median'])} {spread}"]
        else:
            value = f"{number(figure['median'])} {spread} {figure['unit']}"
            cells = [f"{figure['work']}: {figure['what']}", "", value, "", ""]
        lines.append(f"| {' | '.join([*cells, str(figure['runs']), goal, reached])} |")
    return "\n".join(lines) + "\n"


def _footer(part: dict) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in part["machine"].items())
    text = f"{part['date']}, {part['minutes']} minutes; {versions}."
    text += f"\nOther programs kept the processors {part['busy_before']:.0%} busy just before."
    if "largest_difference_of_logits" in part:
        differences = part["largest_difference_of_logits"].items()
        found = ", ".join(f"{name} {value:.1e}" for name, value in differences)
        text += f"\nLargest difference of any logit to ours, in float32: {found}."
    if "largest_difference_of_outputs" in part:
        differences = part["largest_difference_of_outputs"].items()
        found = ", ".join(f"{name} {value:.1e}" for name, value in differences)
        text += f"\nLargest difference of any output to ours, in float32: {found}."
    if "multiply_add_peak_gflops" in part:
        peaks = part["multiply_add_peak_gflops"]
        text += f"\nMultiply-add peak: {min(peaks):.0f} to {max(peaks):.0f} GFLOP/s, measured {len(peaks)} times."
    if "versions" in part:
        text += f"\nAgainst {', '.join(f'{name} {value}' for name, value in part['versions'].items())}."
    if "busy" in part:
        shares = [share for servers in part["busy"].values() for list_ in servers.values() for share in list_]
        text += f"\nEach server used {min(shares):.0%} to {max(shares):.0%} of its processor while it was loaded."
    if "disk" in part:
        disk = part["disk"]
        text += f"\nThe states' disk: {disk['filesystem']}, {number(median(disk['sync_ms']))} ms to add 4 KiB and sync."
    if part.get("left_out"):
        text += f"\nLeft out: {'; '.join(part['left_out'])}."
    if part["quick"]:
        text += "\n**A quick run: these figures mean little.**"
    return f"\n<sub>{text}</sub>\n"


def number(value: float) -> str:
    """Three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
