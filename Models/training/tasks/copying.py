"""Selective copy, as the paper has it: LENGTH tokens, all EMPTY but SYMBOLS symbols at random places, then as many
MARKERs, at each of which the next symbol in order is wanted."""

import numpy

LENGTH, SYMBOLS, VOCABULARY = 4096, 16, 16
EMPTY, MARKER = 15, 0
TRAINING, VALIDATION, TEST = 1, 2, 3
"""The use that sequences are drawn for: it begins their seed, so that no two uses share sequences."""


def sequences(random: numpy.random.Generator, count: int, length: int = LENGTH) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Tokens (count, length + SYMBOLS) and the answers (count, SYMBOLS), which belong to the last positions."""
    places = numpy.sort(random.random((count, length)).argpartition(SYMBOLS - 1, axis=1)[:, :SYMBOLS], axis=1)
    symbols = random.integers(1, EMPTY, (count, SYMBOLS))
    tokens = numpy.full((count, length + SYMBOLS), EMPTY)
    numpy.put_along_axis(tokens, places, symbols, axis=1)
    tokens[:, length:] = MARKER
    return tokens, symbols


def compressed(random: numpy.random.Generator, count: int, length: int) -> tuple[numpy.ndarray, ...]:
    """The same with every run of EMPTY as one token: tokens and repeats, both (count, 3 SYMBOLS + 1), and answers.

    Where two symbols are neighbours there is one EMPTY all the same.
    """
    tokens, symbols = sequences(random, count, length)
    places = numpy.nonzero((tokens != EMPTY) & (tokens != MARKER))[1].reshape(count, SYMBOLS)
    bounds = numpy.concatenate([numpy.full((count, 1), -1), places, numpy.full((count, 1), length)], axis=1)
    short = numpy.full((count, 3 * SYMBOLS + 1), MARKER)
    repeats = numpy.ones_like(short)
    short[:, : 2 * SYMBOLS + 1 : 2], short[:, 1 : 2 * SYMBOLS : 2] = EMPTY, symbols
    repeats[:, : 2 * SYMBOLS + 1 : 2] = numpy.maximum(numpy.diff(bounds, axis=1) - 1, 1)
    return short, repeats, symbols
