"""API keys and cross-origin pages: which callers are allowed, and which sessions each sees."""

import subprocess
import tempfile
from pathlib import Path
from time import sleep

import httpx

from .report import Report
from .server import MODEL, Server

PAGE, OTHER = "https://lab.example", "https://elsewhere.example"
PATIENCE = 200
"""The most polls for a reload, a twentieth of a second apart."""


def run(binary: Path, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "keys.json")

        def add(name: str) -> dict[str, str]:
            command = [str(binary), "keys", "add", name, "--api-keys", str(file)]
            secret = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()
            return {"Authorization": f"Bearer {secret}"}

        ada, bea = add("ada"), add("bea")
        with (
            Server(binary, "--api-keys", str(file), "--cors-origins", PAGE) as server,
            httpx.Client(base_url=server.base, timeout=30) as client,
        ):
            _keys(client, ada, bea, report)
            _origins(client, ada, report)
            eve = add("eve")
            report.equal("a key is unknown before it is read", client.get("/v1/models", headers=eve).status_code, 401)
            server.reload()
            report.check("and known once it is", _is_known(client, eve), "401 all the time")


def _keys(client: httpx.Client, ada: dict[str, str], bea: dict[str, str], report: Report) -> None:
    for what, headers in (("no key", {}), ("a wrong key", {"Authorization": "Bearer scanstep_wrong"})):
        refused = client.get("/v1/models", headers=headers)
        found = refused.status_code, refused.headers.get("www-authenticate", "").startswith("Bearer")
        report.equal(f"{what} is refused", found, (401, True))
    report.equal("life needs none", client.get("/livez").status_code, 200)
    made = client.post("/v1/sessions", json={"model": MODEL, "id": "diary"}, headers=ada)
    report.equal("a key may call", made.status_code, 201)
    report.equal("and sees its session", client.get("/v1/sessions/diary", headers=ada).status_code, 200)
    report.equal("which is not there for another", client.get("/v1/sessions/diary", headers=bea).status_code, 404)
    twin = client.post("/v1/sessions", json={"model": MODEL, "id": "diary", "text": "O"}, headers=bea)
    report.equal("who may use the name", (twin.status_code, twin.json().get("step")), (201, 1))
    step = client.post("/v1/sessions/diary/step", json={"token": 1}, headers=ada)
    report.equal("for a session of their own", step.json().get("step"), 1)


def _origins(client: httpx.Client, key: dict[str, str], report: Report) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for origin, allowed in ((PAGE, PAGE), (OTHER, None)):
        before = client.options("/v1/sessions", headers={"Origin": origin, **asked}).headers
        report.equal(f"a page of {origin} asks", before.get("access-control-allow-origin"), allowed)
        headers = before.get("access-control-allow-headers", "")
        report.equal("what it may send", "authorization" in headers, allowed is not None)
        reply = client.get("/v1/models", headers={"Origin": origin, **key}).headers
        report.equal("and whether it may read", reply.get("access-control-allow-origin"), allowed)



def _is_known(client: httpx.Client, key: dict[str, str]) -> bool:
    """Whether the key is accepted within that time."""
    for _ in range(PATIENCE):
        if client.get("/v1/models", headers=key).status_code == 200:
            return True
        sleep(0.05)
    return False
