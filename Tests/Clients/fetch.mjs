// Node's fetch against a server: `node fetch.mjs BASE MODEL`. Prints `{what, holds, found}` for each check.

import http from "node:http";
import https from "node:https";

const [base, model] = process.argv.slice(2);

function equal(what, found, wanted) {
  const holds = JSON.stringify(found) === JSON.stringify(wanted);
  console.log(JSON.stringify({ what, holds, found: `${JSON.stringify(found)} is not ${JSON.stringify(wanted)}` }));
}

function post(path, body, options = {}) {
  const headers = { "Content-Type": "application/json", ...options.headers };
  return fetch(base + path, { method: "POST", body: JSON.stringify(body), ...options, headers });
}

async function* lines(stream) {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    for (const line of parts) if (line) yield line;
  }
}

async function sessions() {
  const made = await post("/v1/sessions", { model, id: "node", text: "ROMEO:" });
  equal("a session is made", [made.status, made.headers.get("location")], [201, "/v1/sessions/node"]);
  const step = await post("/v1/sessions/node/step", { token: 1 });
  equal("it steps", (await step.json()).step, 7);
  const large = await fetch(`${base}/openapi.yaml`);
  equal("a large reply comes in gzip", large.headers.get("content-encoding"), "gzip");
  equal("and is text again", (await large.text()).startsWith("openapi: 3.1"), true);
  const unknown = await fetch(`${base}/v1/sessions/nobody`);
  equal("a problem says its type", [unknown.status, (await unknown.json()).type], [404, "urn:scanstep:session-not-found"]);
}

async function streams() {
  const asked = { max_tokens: 30, seed: 6, stream: true };
  const texts = [];
  for (const accept of ["application/x-ndjson", "text/event-stream"]) {
    const id = `node-${texts.length}`;
    await post("/v1/sessions", { model, id, text: "JULIET:" });
    const reply = await post(`/v1/sessions/${id}/generate`, asked, { headers: { Accept: accept } });
    equal(`a stream is ${accept}`, reply.headers.get("content-type"), accept);
    const events = [];
    for await (const line of lines(reply.body)) {
      if (accept === "application/x-ndjson") events.push(JSON.parse(line));
      else if (line.startsWith("data:")) events.push(JSON.parse(line.slice(5)));
    }
    equal("with an end", [events.length, events.at(-1).done], [31, true]);
    texts.push(events.slice(0, -1).map((event) => event.text).join(""));
  }
  equal("of the same text both ways", texts[0], texts[1]);
}

async function leaving() {
  await post("/v1/sessions", { model, id: "node-left", text: "O" });
  const abort = new AbortController();
  const reply = await post("/v1/sessions/node-left/generate", { max_tokens: 20000, stream: true }, { signal: abort.signal });
  let seen = 0;
  for await (const line of lines(reply.body)) {
    seen = JSON.parse(line).step;
    if (seen >= 5) break;
  }
  abort.abort();
  const step = (await (await post("/v1/sessions/node-left/step", { token: 1 })).json()).step;
  equal("a session whose stream was left goes on", [seen, step > seen && step < 20000], [5, true]);
}

async function together() {
  await post("/v1/sessions", { model, id: "node-shared" });
  const replies = await Promise.all(Array.from({ length: 40 }, () => post("/v1/sessions/node-shared/step", { token: 1 })));
  const steps = (await Promise.all(replies.map((reply) => reply.json()))).map((reply) => reply.step);
  equal("forty at once, each step once", steps.sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i + 1));
}

// A fetch sends all of its body before it promises to read: the lines go out first.
async function upload() {
  await post("/v1/sessions", { model, id: "node-upload" });
  const body = new ReadableStream({
    start(controller) {
      for (let token = 0; token < 10; token++) controller.enqueue(new TextEncoder().encode(`{"token": ${token}}\n`));
      controller.close();
    },
  });
  const reply = await fetch(`${base}/v1/sessions/node-upload/stream`, { method: "POST", body, duplex: "half" });
  const steps = [];
  for await (const line of lines(reply.body)) steps.push(JSON.parse(line).step);
  equal("a body that is a stream", steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]);
}

// node:http reads while it writes: each line waits for the answer before.
async function duplex() {
  await post("/v1/sessions", { model, id: "node-duplex" });
  const { request } = base.startsWith("https:") ? https : http;
  const sending = request(`${base}/v1/sessions/node-duplex/stream`, { method: "POST" });
  sending.write('{"token": 1}\n');
  const reply = await new Promise((resolve, reject) => sending.on("response", resolve).on("error", reject));
  reply.setEncoding("utf8");
  const steps = [];
  let rest = "";
  for await (const text of reply) {
    const parts = (rest + text).split("\n");
    rest = parts.pop();
    for (const answer of parts.map((line) => JSON.parse(line))) {
      steps.push(answer.step);
      if (answer.done) continue;
      if (steps.length < 10) sending.write(`{"token": ${answer.output.top[0].token}}\n`);
      else sending.end();
    }
  }
  equal("a duplex stream", steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10]);
}

for (const part of [sessions, streams, leaving, together, upload, duplex]) await part();
