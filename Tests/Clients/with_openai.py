"""OpenAI's own package, as it is: completions whole and streamed, with all of its options, and its exceptions."""

import base64
import tempfile
from pathlib import Path

import httpx
import openai

from .models import write_min_lm
from .report import Report
from .server import MODEL, Server

PROMPT = "ROMEO:\n"


def run(server: Server, report: Report) -> None:
    with httpx.Client(verify=server.trust or True, timeout=60) as http:
        client = openai.OpenAI(base_url=f"{server.base}/v1", api_key="none", max_retries=0, http_client=http)
        _models(client, report)
        _whole(client, report)
        _logprobs(client, report)
        _streams(client, report)
        _sessions(client, http, server, report)
        _states(client, report)
        _refusals(client, report)


def run_bare(binary: Path, report: Report) -> None:
    """A state dict that was saved, and nothing beside it: one command, and text streams."""
    with tempfile.TemporaryDirectory() as folder:
        write_min_lm(Path(folder) / "mine", 256)
        with Server(binary, models=Path(folder)) as server:
            client = openai.OpenAI(base_url=f"{server.base}/v1", api_key="none", max_retries=0)
            stream = client.completions.create(model="mine", prompt="Größe 😀", max_tokens=40, seed=1, stream=True)
            choices = [event.choices[0] for event in stream]
            whole = client.completions.create(model="mine", prompt="Größe 😀", max_tokens=40, seed=1)
            report.equal("its stream ends", choices[-1].finish_reason, "length")
            report.equal("and is its text", "".join(c.text for c in choices), whole.choices[0].text)
            report.equal("bytes are its tokens", whole.usage.prompt_tokens, len("Größe 😀".encode()))


def _models(client: openai.OpenAI, report: Report) -> None:
    report.check("the models are listed", MODEL in [model.id for model in client.models.list()])
    model = client.models.retrieve(MODEL)
    report.equal("and each is described", (model.id, model.object), (MODEL, "model"))


def _whole(client: openai.OpenAI, report: Report) -> None:
    asked = {"model": MODEL, "max_tokens": 24, "seed": 5}
    done = client.completions.create(prompt=PROMPT, **asked)
    report.check("a completion has a request id", done._request_id)
    report.equal("and its object", (done.object, done.model, done.id[:5]), ("text_completion", MODEL, "cmpl-"))
    choice = done.choices[0]
    report.equal("and one choice", (len(done.choices), choice.index, choice.finish_reason), (1, 0, "length"))
    usage = done.usage
    report.equal("with usage", (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (7, 24, 31))
    tokens = client.post("/tokenize", cast_to=object, body={"model": MODEL, "text": PROMPT})["tokens"]
    again = client.completions.create(prompt=tokens, **asked)
    report.equal("tokens are a prompt as well, and a seed gives one text", again.choices[0].text, choice.text)
    several = client.completions.create(prompt=[PROMPT, "JULIET:\n"], n=2, **asked)
    report.equal("prompts times n are choices", [c.index for c in several.choices], [0, 1, 2, 3])
    report.equal("the first as it would be alone", several.choices[0].text, choice.text)
    report.check("the next another", several.choices[1].text != choice.text, several.choices[1].text)
    used = several.usage
    report.equal("whose prompts count once", (used.prompt_tokens, used.completion_tokens), (15, 96))
    lists = client.completions.create(prompt=[tokens, tokens[:3]], **asked)
    report.equal("also as lists of tokens", (len(lists.choices), lists.choices[0].text), (2, choice.text))
    echoed = client.completions.create(prompt=PROMPT, echo=True, **asked)
    report.equal("echo puts the prompt before it", echoed.choices[0].text, PROMPT + choice.text)
    greedy = [client.completions.create(prompt=PROMPT, temperature=0, top_p=p, **asked) for p in (1, 0.1)]
    report.equal("temperature 0 takes the likeliest", greedy[0].choices[0].text, greedy[1].choices[0].text)
    stopped = client.completions.create(prompt=PROMPT, stop=[" ", "\n"], **asked)
    end = stopped.choices[0]
    report.equal("it stops before a stop text", end.text, choice.text.replace("\n", " ").split(" ")[0])
    report.equal("and says so", end.finish_reason, "stop")


def _logprobs(client: openai.OpenAI, report: Report) -> None:
    asked = {"model": MODEL, "max_tokens": 8, "seed": 5, "logprobs": 3}
    plain = client.completions.create(prompt=PROMPT, **asked).choices[0]
    scores = plain.logprobs
    report.equal("each token is listed", "".join(scores.tokens), plain.text)
    report.equal("with its place", scores.text_offset, list(range(8)))
    report.check("and how likely it was", all(value <= 0 for value in scores.token_logprobs), scores)
    report.check("beside the likeliest", all(len(top) == 3 for top in scores.top_logprobs), scores.top_logprobs)
    echoed = client.completions.create(prompt=PROMPT, echo=True, **asked).choices[0]
    report.equal("with echo the prompt's as well", echoed.logprobs.tokens, list(PROMPT) + scores.tokens)
    report.equal("but for its first", echoed.logprobs.token_logprobs[0], None)
    report.equal("then as without", echoed.logprobs.token_logprobs[7:], scores.token_logprobs)
    scored = client.completions.create(
        model=MODEL, prompt=PROMPT + plain.text, echo=True, logprobs=0, max_tokens=0
    ).choices[0]
    found = scored.logprobs.token_logprobs[1:]
    near = zip(found, echoed.logprobs.token_logprobs[1:], strict=True)
    report.check("a text is scored without going on", all(abs(a - b) < 1e-6 for a, b in near), found)
    # evaluation harnesses score many texts so
    report.equal("and is returned alone", scored.text, PROMPT + plain.text)


def _streams(client: openai.OpenAI, report: Report) -> None:
    asked = {"model": MODEL, "max_tokens": 24, "seed": 5}
    whole = client.completions.create(prompt=PROMPT, n=3, logprobs=2, **asked)
    texts, finishes, logprobs = ["", "", ""], {}, [[], [], []]
    usage = None
    options = {"include_usage": True}
    with client.completions.create(
        prompt=PROMPT, n=3, logprobs=2, stream=True, stream_options=options, **asked
    ) as stream:
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts[choice.index] += choice.text
                if choice.logprobs:
                    logprobs[choice.index] += choice.logprobs.token_logprobs
                if choice.finish_reason:
                    finishes[choice.index] = choice.finish_reason
    report.equal("streams give the same texts", texts, [choice.text for choice in whole.choices])
    report.equal("and ends", finishes, dict.fromkeys(range(3), "length"))
    report.equal("and numbers", logprobs, [choice.logprobs.token_logprobs for choice in whole.choices])
    report.equal("and usage", usage and usage.total_tokens, whole.usage.total_tokens)
    with client.completions.create(prompt=PROMPT, stream=True, echo=True, **asked) as stream:
        text = "".join(choice.text for chunk in stream for choice in chunk.choices)
    report.equal("echo streams too", text, PROMPT + whole.choices[0].text)
    stop = whole.choices[0].text[5:8]
    with client.completions.create(prompt=PROMPT, stream=True, stop=stop, **asked) as stream:
        text = "".join(choice.text for chunk in stream for choice in chunk.choices)
    report.equal("a stop text is never shown", text, whole.choices[0].text.split(stop)[0])


def _sessions(client: openai.OpenAI, http: httpx.Client, server: Server, report: Report) -> None:
    name = "openai-tls" if server.certificate else "openai"
    http.post(f"{server.base}/v1/sessions", json={"model": MODEL, "id": name, "text": PROMPT})
    asked = {"model": MODEL, "max_tokens": 10, "seed": 5}
    in_session = client.completions.create(prompt="", extra_body={"session_id": name}, **asked)
    alone = client.completions.create(prompt=PROMPT, **asked)
    report.equal("a session is gone on with", in_session.choices[0].text, alone.choices[0].text)
    stands = http.get(f"{server.base}/v1/sessions/{name}").json()["step"]
    report.equal("and has moved", (stands, in_session.model_extra["step"]), (17, 17))
    client.completions.create(prompt="\n", extra_body={"session_id": name}, **asked)
    stands = http.get(f"{server.base}/v1/sessions/{name}").json()["step"]
    report.equal("by its prompts as well", stands, 28)
    try:
        client.completions.create(prompt="", extra_body={"session_id": "openai-none"}, **asked)
        report.check("a session that is none is refused", False)
    except openai.NotFoundError as error:
        report.equal("a session that is none is refused", error.code, "session_not_found")


def _states(client: openai.OpenAI, report: Report) -> None:
    asked = {"model": MODEL, "seed": 5}
    first = client.completions.create(prompt=PROMPT, max_tokens=10, extra_body={"return_state": True}, **asked)
    state = first.model_extra["state"]
    report.check("a state comes back", base64.b64decode(state)[8:9] == b"{", state[:40])
    second = client.completions.create(prompt="", max_tokens=6, extra_body={"state": state}, **asked)
    whole = client.completions.create(prompt=PROMPT, max_tokens=16, **asked)
    report.equal("and goes on", first.choices[0].text + second.choices[0].text, whole.choices[0].text)


def _refusals(client: openai.OpenAI, report: Report) -> None:
    def refused(what: str, kind: type[openai.APIStatusError], parameter: str | None, **asked: object) -> None:
        try:
            client.completions.create(**({"model": MODEL, "prompt": PROMPT} | asked))
            report.check(what, False, "it was served")
        except openai.APIStatusError as error:
            report.equal(what, (type(error), error.param), (kind, parameter))
            report.check(f"{what}: the error has a reason", len(error.body["message"]) > 10, error.body)

    bad, missing = openai.BadRequestError, openai.NotFoundError
    refused("an unknown model", missing, "model", model="nope")
    refused("suffix", bad, "suffix", suffix="!")
    refused("best_of", bad, "best_of", best_of=2)
    refused("a penalty", bad, "presence_penalty", presence_penalty=0.5)
    refused("logit_bias", bad, "logit_bias", logit_bias={"5": 1})
    refused("a character that is none of the model's", bad, "prompt", prompt="ä")
    refused("a token that is none", bad, "prompt[0]", prompt=[65])
    refused("a temperature below 0", bad, "temperature", temperature=-1)
    refused("a prompt of numbers and texts", bad, "prompt[0]", prompt=[1, "a"])
    refused("an unknown field", bad, "wrong", extra_body={"wrong": 1})
    refused("stream_options without stream", bad, "stream_options", stream_options={"include_usage": True})
    refused("too many choices", bad, "n", n=1000)
    refused("a bad stream", bad, "max_tokens", max_tokens=-1, stream=True)
    try:
        client.models.retrieve("nope")
        report.check("a model that is none", False)
    except openai.NotFoundError as error:
        report.equal("a model that is none", error.code, "model_not_found")
    try:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "?"}])
        report.check("chat is not there", False)
    except openai.NotFoundError as error:
        report.check("chat is not there, and what is there is named", "/v1/completions" in str(error), error)
