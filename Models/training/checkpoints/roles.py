"""The roles that a matrix beside a stack can have: those that its shape allows and its name does not exclude."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass

from .archive import Refusal
from .source import Source

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
EMBEDDING, FRONT, BEHIND = "an embedding", "a linear map in front of the stack", "a linear map behind the stack"
# Beginnings of the last word of a module's name that is not a number; "fc" is a whole word.
OF_EMBEDDINGS = ("emb", "tok", "wte")
OF_LINEAR_FRONTS = ("input_proj", "in_proj")
OF_FRONTS = ("encoder", "input")
OF_BEHINDS = (
    "actor", "classifier", "critic", "decoder", "dense", "head", "linear", "lm_head", "out", "policy", "value",
)


def named(module: str) -> set[str]:
    """The roles that the name of a module allows."""
    words = [word for word in module.split(".") if word and not word.isdecimal()]
    word = words[-1].lower() if words else ""
    if word.startswith(OF_EMBEDDINGS) or "_emb" in word:
        return {EMBEDDING}
    if word.startswith(OF_LINEAR_FRONTS):
        return {FRONT}
    if word.startswith(OF_FRONTS):
        return {EMBEDDING, FRONT}
    if word == "fc" or word.startswith(OF_BEHINDS):
        return {BEHIND}
    return {EMBEDDING, FRONT, BEHIND}


def shaped(source: Source, module: str, inputs: int, outputs: int) -> set[str]:
    """The roles that the shape of a module's matrix allows beside a stack of `inputs` and `outputs` values."""
    rows, columns = source.shape(module + ".weight", 2)
    roles = {EMBEDDING} if columns == inputs and module + ".bias" not in source else set()
    roles |= {FRONT} if rows == inputs else set()
    return roles | ({BEHIND} if columns == outputs else set())


@dataclass
class Shape:
    """The cell of a stack, and its widths."""

    cell: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Reading:
    """One assignment of matrices to their roles."""

    front: str | None = None
    role: str | None = None
    behind: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        return {*self.behind} | ({self.front} if self.front is not None else set())


def readings(roles: dict[str, set[str]]) -> list[Reading]:
    """Of all assignments, with at most one matrix in front and one behind, those that place the most."""
    fronts = [(None, None)]
    fronts += [(name, role) for name in sorted(roles) for role in (EMBEDDING, FRONT) if role in roles[name]]
    behinds = [(), *((name,) for name in sorted(roles) if BEHIND in roles[name])]
    found = [Reading(*front, behind) for front, behind in itertools.product(fronts, behinds) if front[0] not in behind]
    most = max(len(reading.names) for reading in found)
    return [reading for reading in found if len(reading.names) == most]


def chain(source: Source, modules: Iterable[str], fronts: Iterable[str | None], outputs: int) -> Reading | None:
    """All modules, except one in front, in a chain behind a stack of `outputs` values; None where they do not fit."""

    def key(module: str) -> tuple[str, int]:
        stem = module.rstrip("0123456789")
        return stem, int(module[len(stem) :][:9] or -1)

    for front in fronts:
        names = sorted((name for name in modules if name != front), key=key)
        shapes = [source.shape(name + ".weight", 2) for name in names]
        widths = [outputs, *(rows for rows, _ in shapes)]
        if len(names) > 1 and all(columns == width for (_, columns), width in zip(shapes, widths)):
            return Reading(front, None, tuple(names))
    return None


def advice(words: dict[str, object], **more: object) -> str:
    """A config.json of `words` and `more`."""
    return json.dumps({"layout": "torch"} | {word: words[word] for word in words if word not in more} | more)


def found(
    source: Source, modules: list[str], shape: Shape, words: dict[str, object], finds_front: bool, finds_behind: bool
) -> Reading:
    """The one assignment that shapes and names allow for the modules that no word names. A module whose only places are
    settled by words is left out of the model."""
    open_roles: dict[str, set[str]] = {}
    misfits = []
    for module in modules:
        roles = shaped(source, module, shape.inputs, shape.outputs) & named(module)
        if not roles and finds_behind:
            misfits.append(module)
        if words.get("inputs") == "tokens" and EMBEDDING in roles:
            roles.discard(FRONT)
        if words.get("inputs") == "vectors" and len(roles) > 1:
            roles.discard(EMBEDDING)
        roles -= (set() if finds_front else {EMBEDDING, FRONT}) | (set() if finds_behind else {BEHIND})
        if roles:
            open_roles[module] = roles
    best = readings(open_roles)
    if not misfits and len(best) == 1 and len(best[0].names) == len(open_roles):
        if best[0].role == FRONT:
            left_out = "" if finds_behind else f"; it is left out by {advice(words, input=None)}"
            raise Refusal(
                f"{best[0].front} is a linear map in front of the stack, which is taken only where "
                f'"input": "{best[0].front}" says so: {advice(words, input=best[0].front)}{left_out}'
            )
        return best[0]
    chained = chain(source, modules, [None, *open_roles], shape.outputs) if finds_behind else None
    if misfits and not chained:
        _refuse(source, misfits[0], shape, words)
    settled = []
    for reading in [] if misfits else best:
        settled += _settled(source, reading, open_roles, shape, words)
    settled += _settled(source, chained, {}, shape, words) if chained else []
    names = ", ".join(f'"{name}"' for name in (sorted(chained.names) if misfits else open_roles))
    what = f"which of {names} stands in front of the stack and which behind it"
    if len(open_roles) == 1 and not misfits:
        what = f"whether {next(iter(open_roles))} is " + " or ".join(
            role for role in (EMBEDDING, FRONT, BEHIND) if role in next(iter(open_roles.values()))
        )
    between = f"; output_activation is what stands between several: {', '.join(ACTIVATIONS)} or null" if chained else ""
    raise Refusal(f"{what} cannot be seen: say {' or '.join(settled[:6])}{between}")


def _settled(
    source: Source, reading: Reading, open_roles: dict[str, set[str]], shape: Shape, words: dict[str, object]
) -> list[str]:
    """The config.json that gives a reading: one, or several where more than the roles is open."""
    more: dict[str, object] = {}
    if reading.front is not None:
        more["input"] = reading.front
        if {EMBEDDING, FRONT} <= shaped(source, reading.front, shape.inputs, shape.outputs):
            more["inputs"] = "tokens" if reading.role == EMBEDDING else "vectors"
        if not reading.behind and reading.role == EMBEDDING and shape.inputs == shape.outputs and "output" not in words:
            return [advice(words, **more, tied=tied) for tied in (True, False)]
    elif any(roles - {BEHIND} for name, roles in open_roles.items() if name not in reading.names):
        more["input"] = None
    if reading.behind:
        more["output"] = reading.behind[0] if len(reading.behind) == 1 else list(reading.behind)
    if len(reading.behind) > 1:
        more["output_activation"] = "relu"
    return [advice(words, **more)]


def _refuse(source: Source, module: str, shape: Shape, words: dict[str, object]) -> None:
    """Raises the reason why a module has no role."""
    rows, columns = source.shape(module + ".weight", 2)
    fits, name = shaped(source, module, shape.inputs, shape.outputs), named(module)
    if fits:
        place, word = ("behind", "output") if BEHIND in fits else ("in front of", "input")
        raise Refusal(
            f"tensor {module}.weight has shape {[rows, columns]}, which fits {place} the stack, and its name is of one "
            f"that stands elsewhere: {advice(words, **{word: module})} says that it stands there"
        )
    if columns == shape.inputs and module + ".bias" in source and name <= {EMBEDDING, FRONT}:
        raise Refusal(
            f"tensor {module}.bias is of an embedding by the shape of {module}.weight, {[rows, columns]}, and an "
            "embedding has no bias"
        )
    if name == {EMBEDDING}:
        expected = f"{[rows, shape.inputs]} for an embedding"
    elif name == {FRONT}:
        expected = f"{[shape.inputs, columns]} for a linear map in front of the stack"
    else:
        embedding = "" if module + ".bias" in source else f", or {[rows, shape.inputs]} for an embedding"
        expected = f"{[rows, shape.outputs]} for a map behind the stack{embedding}"
    raise Refusal(f"tensor {module}.weight has shape {[rows, columns]}, expected {expected}")
