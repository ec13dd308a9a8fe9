"""One server with its clients: kills it, starts it again, and checks all sessions while the clients are paused."""

import hashlib
import json
import random
import shutil
import signal
import time
from pathlib import Path

from .arena import Arena, Setting
from .choices import choose
from .client import Abandoned, Client
from .creating import look
from .findings import Findings, Wrong
from .history import Memory, root
from .models import Model
from .moving import step_many
from .program import Program
from .statefile import identity
from .watch import Needs, Watch
from .wire import ServerGone, Stuck

PAUSE_SECONDS = 60
"""Seconds within which all clients must end their operations."""
STATE = 2288 + 256
"""Bytes of a session of the larger model."""
SETTINGS = (
    Setting("roomy", 64 << 20, True, sessions=20, clients=6),
    Setting("tight", 40 * STATE, True, sessions=30, clients=8, checkpoints=8),
    Setting("crowd", 40 * STATE, True, sessions=150, clients=2, checkpoints=8, fits=True),
    Setting("tiny", 16_000, True, sessions=12, clients=4, fits=True),
    Setting("steady", 400 * STATE, True, sessions=40, clients=6, ends=False),
    Setting("volatile", 60 * STATE, False, sessions=25, clients=6),
    Setting("owners", 80 * STATE, True, sessions=20, clients=6, owners=("ada", "bob")),
)


class Game:
    """Runs one setting."""

    def __init__(
        self, setting: Setting, binary: Path, folder: Path, models: dict[str, Model], memory: Memory,
        findings: Findings, seed: int,
    ) -> None:
        self._chance = random.Random(f"{seed}/{setting.name}")
        self._folder, self._findings = folder / setting.name, findings
        self._folder.mkdir()
        options = ["--session-memory", f"{setting.memory}B", "--log-level", "warning", "--drain-timeout", "20s"]
        if setting.is_kept_on_disk:
            options += ["--state-dir", str(self._folder / "sessions")]
        keys = {owner: f"key-of-{owner}" for owner in setting.owners if owner}
        if keys:
            known = [{"name": owner, "sha256": hashlib.sha256(key.encode()).hexdigest()} for owner, key in keys.items()]
            (self._folder / "keys.json").write_text(json.dumps({"keys": known}))
            options += ["--api-keys", str(self._folder / "keys.json")]
        program, needs = Program(binary, folder / "models", self._folder, *options), Needs()
        self._arena = Arena(setting, program, models, memory, findings, needs, self._folder, keys)
        self._watch = Watch(program, needs, findings)
        self._clients = [Client(self._arena, number, seed, choose) for number in range(setting.clients)]

    def play(self, operations: int, kills: int, until: float) -> None:
        """Runs `operations` operations and `kills` kills, or ends at the time `until`."""
        self._arena.program.start()
        for of in self._arena.models.values():
            self._learn_root(of)
        self._learn_keys()
        for client in self._clients:
            client.start()
        if self._arena.setting.ends:
            self._play_with_ends(operations, kills, until)
        else:
            self._play_on(operations, until)
        self._look_at_all()
        self._restart(signal.SIGTERM)
        self._look_at_all()
        self._arena.finish()
        self._arena.wait_for_all(PAUSE_SECONDS)
        self._end(signal.SIGTERM)
        most, grown = self._watch.most, self._watch.grown / 2**20
        name = self._arena.setting.name
        print(f"  {name}: at most {most:.2f} of its memory was in use, {grown:.1f} MiB were added", flush=True)
        if not self._findings.kinds:
            shutil.rmtree(self._folder)

    def _play_with_ends(self, operations: int, kills: int, until: float) -> None:
        """Kills the server `kills` times, and stops it in order now and then."""
        target, events, part = self._findings.total + operations, 0, operations / (kills + 1)
        while (self._findings.total < target or events < kills) and time.monotonic() < until:
            self._wait(min(target, self._findings.total + int(part * self._chance.uniform(0.5, 1.3))), until)
            if events < kills:
                events += 1
                self._restart(signal.SIGKILL)
            if self._chance.random() < 0.3:
                self._restart(signal.SIGTERM)
            if self._chance.random() < 0.4:
                self._look_at_all()

    def _play_on(self, operations: int, until: float) -> None:
        """Runs all operations on one process, and checks it now and then."""
        target = self._findings.total + operations
        while self._findings.total < target and time.monotonic() < until:
            self._wait(min(target, self._findings.total + operations // 12), until)
            self._look_at_all()

    def _learn_root(self, of: Model) -> None:
        """Records the digest of a model's initial state."""
        client = self._clients[0]
        client.must(client.send("POST", "/v1/sessions", {"model": of.name, "id": "root"}))
        step, digest = identity(client.must(client.send("GET", "/v1/sessions/root/state")).body)
        if step:
            raise Wrong("a wrong step", f"{step} at the beginning")
        client.same(root(of).hash, "state", digest)
        client.send("DELETE", "/v1/sessions/root")

    def _learn_keys(self) -> None:
        """Finds out whether checkpoints honour keys; `keys.probe` reports where they do not."""
        client, body = self._clients[0], {"model": next(iter(self._arena.models)), "id": "keys"}
        client.must(client.send("POST", "/v1/sessions", body))
        replies = [client.send("POST", "/v1/sessions/keys/checkpoints", {}, Idempotency_Key="k") for _ in range(2)]
        self._arena.keeps_keys = all(reply.ok for reply in replies)
        client.send("DELETE", "/v1/sessions/keys")

    def _wait(self, target: int, until: float) -> None:
        """Waits until `target` operations are done, and watches the server meanwhile."""
        stops = time.monotonic() + 60
        while self._findings.total < target and time.monotonic() < min(until, stops):
            self._look()
            time.sleep(0.1)

    def _look(self) -> None:
        try:
            self._watch.look()
        except ServerGone:
            time.sleep(0.2)
            if self._arena.program.status() is not None:
                self._crashed()
        except Stuck as error:
            self._findings.add(Wrong("an operation that is stuck", f"GET /metrics: {error}"))

    def _crashed(self) -> None:
        log = self._arena.program.log.read_text(errors="replace")[-1500:]
        self._findings.add(Wrong("a server that crashes", f"status {self._arena.program.status()}: {log}"))
        self._start_again("kill")

    def _restart(self, how: signal.Signals) -> None:
        """Ends the server at a random moment soon, and starts it again."""
        time.sleep(self._chance.random() * 0.1)
        self._end(how)
        self._start_again("kill" if how == signal.SIGKILL else "end")

    def _end(self, how: signal.Signals) -> None:
        if self._arena.program.status() is not None:
            return self._crashed()
        status = self._arena.program.end(how)
        if status != (-signal.SIGKILL if how == signal.SIGKILL else 0):
            log = self._arena.program.log.read_text(errors="replace")[-600:]
            self._findings.add(Wrong("an end that is not in order", f"{how.name}: status {status}: {log}"))

    def _start_again(self, event: str) -> None:
        self._arena.program.start()
        self._watch.restarted()
        self._arena.happened(event)
        self._findings.events[event] += 1

    def _look_at_all(self) -> None:
        """Pauses the clients and checks that the server is quiet and that each session has an expected state."""
        if not self._arena.pause(PAUSE_SECONDS):
            self._findings.add(Wrong("an operation that is stuck", "clients do not end their operations"))
        try:
            self._watch.rest()
            for client in self._clients:
                client.catch_up()
                # All at once, then none: sessions that were fetched must be evicted again.
                certain = [one for one in client.sessions if one.is_certain and not one.pending]
                step_many(client, [one for one in certain if not one.idle])
            self._watch.rest()
            for client in self._clients:
                for session in [one for one in client.sessions if not one.idle]:
                    self._look_at(client, session)
            for owner in self._arena.setting.owners:
                self._list(owner)
            self._watch.rest()
        except ServerGone:
            if self._arena.program.status() is not None:
                self._crashed()
        except (Wrong, Stuck) as error:
            wrong = error if isinstance(error, Wrong) else Wrong("an operation that is stuck", str(error))
            self._findings.add(wrong)
        finally:
            self._arena.go_on()

    def _look_at(self, client: Client, session: object) -> None:
        try:
            look(client, client.use(session))
        except Abandoned:
            pass
        except Wrong as wrong:
            client.wrong(wrong)

    def _list(self, owner: str) -> None:
        """Checks that the server lists the clients' sessions with their steps, and no others."""
        clients = [client for client in self._clients if client.owner == owner]
        sessions = {session.name: session for client in clients for session in client.sessions}
        doubtful = {name for client in clients for name in client.doubtful}
        unknown, listed, after = sum(client.unknown for client in clients), {}, ""
        while True:
            page = clients[0].must(clients[0].send("GET", f"/v1/sessions?limit=100{after}")).json()
            listed |= {item["id"]: item["step"] for item in page["data"]}
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        for name, session in sessions.items():
            if name in listed and session.is_certain:
                if listed[name] != session.world.node.step:
                    raise Wrong("a wrong step", f"{name} is listed at {listed[name]}, it is at {session.world.node}")
            elif name not in listed and self._arena.setting.is_kept_on_disk and not session.idle:
                raise Wrong("a session that is not listed", f"{name}, possible: {session.possible}")
        for name in listed.keys() - sessions.keys():
            if name not in doubtful and not name.startswith("scratch-"):
                unknown -= 1
                if unknown < 0:
                    ended = [one for client in clients for one in client.ended if one.name == name]
                    wrong = Wrong("a session that should not be", f"{name} at {listed[name]}")
                    self._findings.add(wrong, [line for one in ended for line in one.log])
            clients[0].send("DELETE", f"/v1/sessions/{name}")
        for client in clients:
            client.unknown = 0
            client.doubtful.clear()
