"""The rotated surface code's memory experiment under circuit-level noise, as sequences of vectors.

A vector is one round: an element for each ancilla qubit, in the order of stim's measurements, 1 where its outcome is
not that of the round before (a detection event), and a last element that is 0. In the first round only the ancillas
of Z stabilizers have an outcome that is known beforehand; the others' elements are 0. The vector behind the last
round is the readout of the data qubits: 1 where a Z stabilizer computed from them is not what its ancilla said last,
and a last element of 1.

The logical observable is the product of Z over a row of data qubits.
"""

import functools

import numpy
import stim

TRAINING, VALIDATION, TEST = 1, 2, 3
"""The use that shots are drawn for: it begins their seed, so that no two uses share shots."""
ANNOTATIONS = {"DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS", "TICK"}


def circuit(distance: int, rounds: int, p: float) -> stim.Circuit:
    """stim's rotated memory experiment in the Z basis, with every kind of error that it has at the probability p."""
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )


class Layout:
    """Where stim's detectors lie in the vectors of a distance."""

    def __init__(self, distance):
        first = circuit(distance, 1, 0.0)
        places = {qubit: tuple(at) for qubit, at in first.get_final_qubit_coordinates().items()}
        self.ancillas = _targets(first, "MR")
        self.data = _targets(first, "M")
        self.coordinates = [places[qubit] for qubit in self.ancillas]
        self.size = len(self.ancillas) + 1
        starts = {tuple(at[:2]) for at in first.get_detector_coordinates().values() if at[2] == 0}
        self.z_ancillas = [n for n, at in enumerate(self.coordinates) if at in starts]
        beside = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
        qubits = {at: qubit for qubit, at in places.items() if qubit in self.data}
        self.stabilizers = [
            [qubits[x + dx, y + dy] for dx, dy in beside if (x + dx, y + dy) in qubits]
            for x, y in (self.coordinates[n] for n in self.z_ancillas)
        ]
        observable = next(part for part in first if part.name == "OBSERVABLE_INCLUDE")
        self.logical = [self.data[target.value] for target in observable.targets_copy()]

    def vectors(self, experiment: stim.Circuit, detections: numpy.ndarray) -> numpy.ndarray:
        """(shots, detectors) of a memory experiment as (shots, rounds + 1, size) of zeros and ones."""
        where = {at: n for n, at in enumerate(self.coordinates)}
        coordinates = experiment.get_detector_coordinates()
        times = max(at[2] for at in coordinates.values())
        found = numpy.zeros((len(detections), int(times) + 1, self.size), numpy.uint8)
        for detector, (x, y, t) in coordinates.items():
            found[:, int(t), where[x, y]] = detections[:, detector]
        found[:, -1, -1] = 1
        return found


@functools.cache
def layout(distance: int) -> Layout:
    return Layout(distance)


def _targets(experiment, name):
    return [target.value for part in experiment if part.name == name for target in part.targets_copy()]


class Shots:
    """Shots for training, with the true state after every round.

    Noiseless measurements of the Z stabilizers and of the observable after each round give the outcome of a readout
    there, to which the data qubits' own readout errors are added: a shot of R rounds gives R experiments, of 1 to R
    rounds.
    """

    def __init__(self, distance: int, rounds: int, p: float, seed: list[int]):
        """- seed: numbers, of which the first is the use."""
        self.layout, self.rounds, self.p, self.seed = layout(distance), rounds, p, seed
        self.observed = self._observed(distance)
        place = {qubit: n for n, qubit in enumerate(self.layout.data)}
        self.incidence = numpy.zeros((len(place), len(self.layout.z_ancillas) + 1), numpy.float32)
        for column, qubits in enumerate([*self.layout.stabilizers, self.layout.logical]):
            self.incidence[[place[qubit] for qubit in qubits], column] = 1

    def _observed(self, distance):
        found = stim.Circuit()
        for part in circuit(distance, self.rounds, self.p).flattened():
            if part.name in ANNOTATIONS or part.name == "M":
                continue
            found.append(part)
            if part.name == "MR":  # Errors after it act on the ancillas alone.
                for qubits in [*self.layout.stabilizers, self.layout.logical]:
                    factors = [[stim.target_z(qubit), stim.target_combiner()] for qubit in qubits]
                    found.append("MPP", sum(factors, [])[:-1])
        return found

    def draw(self, count, block):
        """The shots of `block`, the same ones each time: four arrays of float32.

        Vectors of the rounds and of a readout behind each, both (rounds, count, size); whether the observable is
        flipped behind each round, and whether a readout there would say so, both (rounds, count).
        """
        seeds = numpy.random.SeedSequence([*self.seed, int(self.p * 1e6), block]).generate_state(2)
        # All outcomes 0 are a possible noiseless run, so no reference sample is needed.
        sampler = self.observed.compile_sampler(skip_reference_sample=True, seed=int(seeds[0]))
        outcomes = sampler.sample(count).reshape(count, self.rounds, -1).swapaxes(0, 1).astype(numpy.uint8)
        syndrome, truth = numpy.split(outcomes, [self.layout.size - 1], axis=2)
        z = self.layout.z_ancillas
        vectors = numpy.zeros((self.rounds, count, self.layout.size), numpy.float32)
        vectors[1:, :, :-1] = syndrome[1:] ^ syndrome[:-1]
        vectors[0][:, z] = syndrome[0][:, z]
        random = numpy.random.default_rng(seeds[1])
        flips = random.random((self.rounds, count, len(self.incidence)), dtype=numpy.float32) < self.p
        read = truth ^ (flips @ self.incidence).astype(numpy.uint8) & 1
        readouts = numpy.zeros_like(vectors)
        readouts[:, :, z] = syndrome[:, :, z] ^ read[..., :-1]
        readouts[..., -1] = 1
        return vectors, readouts, truth[..., -1].astype(numpy.float32), read[..., -1].astype(numpy.float32)
