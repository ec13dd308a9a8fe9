#!/usr/bin/env bash
# Uses a server as a stranger would, with nothing but curl: every route, every refusal, the README's own lines.
# usage: Tests/curl.sh [BINARY [MODELS]]
#   MODEL   the character model that is asked (shakespeare-mingru)
#   PYTHON  checks the replies; if it has what Tests/requirements.txt names, also against openapi.yaml (python3)
# Prints what failed and, last, `N passed, M failed`; exits 1 when M is not 0.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
binary=${1:-.build-test/release/scanstep}
models=${2:-Models}
model=${MODEL:-shakespeare-mingru}
python=${PYTHON:-python3}

work=$(mktemp -d)
passed=0 failed=0 calls=0 server='' base=''
status='' reply=''

# shellcheck disable=SC2317 # the trap calls it
finish() {
    # A child that is ended before it has forgotten this trap would run it too.
    [ "$BASHPID" = "$$" ] || return
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# --- asking and checking ---------------------------------------------------------------------------------------------

pass() { passed=$((passed + 1)); }

fail() { # NAME DETAIL
    failed=$((failed + 1))
    echo "FAILED  $1: ${2:-}"
}

# Sends a request; leaves its status in $status, its head and body in $reply.head and $reply.body.
call() { # METHOD PATH [JSON [CURL ARGUMENTS…]]
    local method=$1 path=$2 data=()
    [ -z "${3:-}" ] || data=(--header 'Content-Type: application/json' --data-binary "$3")
    shift $(($# < 3 ? $# : 3))
    calls=$((calls + 1))
    reply=$work/reply-$calls
    tee "$reply.head" "$reply.body" </dev/null
    status=$(curl --silent --show-error --max-time 60 --request "$method" --dump-header "$reply.head" \
        --output "$reply.body" --write-out '%{http_code}' "${data[@]}" "$@" "$base$path" 2>"$work/curl.log")
    [ "$status" != 000 ] || echo "        $method $path: $(cat "$work/curl.log")"
    printf '%s\t%s\t%s\t%s\n' "$method" "$path" "$status" "$reply" >>"$work/replies"
}

# Sends bytes as they are (with printf's escapes) and reads until the server closes: for what curl refuses to send.
raw() { # BYTES
    calls=$((calls + 1))
    reply=$work/reply-$calls
    tee "$reply.head" "$reply.body" </dev/null
    # shellcheck disable=SC2059 # the escapes are the point
    if exec 4<>"/dev/tcp/127.0.0.1/${base##*:}" && printf "$1" >&4; then
        timeout 10 cat <&4 >"$reply.raw"
    fi
    exec 4>&-
    "$python" - "$reply" <<'PY'
import sys
head, _, body = open(sys.argv[1] + ".raw", "rb").read().partition(b"\r\n\r\n")
open(sys.argv[1] + ".head", "wb").write(head)
open(sys.argv[1] + ".body", "wb").write(body)
PY
    status=$(sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p' "$reply.head")
}

# Checks a Python expression over the last reply: status, head (a dict), text, body (its JSON or None), lines (NDJSON),
# events (SSE), and the replies kept under a name with `keep`.
check() { # NAME EXPRESSION
    local said
    if said=$("$python" "$work/check.py" "$work" "$reply" "${status:-0}" "$2" 2>&1); then
        pass
    else
        fail "$1" "$said"
    fi
}

keep() { cp "$reply.body" "$work/kept-$1"; } # NAME

cat >"$work/check.py" <<'PY'
import json, math, pathlib, sys

work, reply, status, expression = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None

raw_head = pathlib.Path(reply + ".head").read_text(errors="replace").replace("\r\n", "\n")
blocks = [block for block in raw_head.split("\n\n") if block.strip()] or [""]
head = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in blocks[-1].split("\n")[1:])}
text = pathlib.Path(reply + ".body").read_text(encoding="utf-8", errors="replace")
kind = head.get("content-type", "").partition(";")[0].strip()
body = parsed(text)
lines = [parsed(line) for line in text.splitlines() if line]
events = [parsed(line.removeprefix("data:")) for line in text.splitlines() if line.startswith("data:")]
names = {f.name.removeprefix("kept-"): parsed(f.read_text(encoding="utf-8")) for f in work.glob("kept-*")}
names |= dict(status=status, head=head, text=text, kind=kind, body=body, lines=lines, events=events, math=math)
try:
    if eval(expression, names):
        sys.exit(0)
except Exception as error:
    print(f"{type(error).__name__}: {error};", end=" ")
print(f"{expression} -- status {status}, {kind or 'no type'}, {text[:400]!r}")
sys.exit(1)
PY

# --- the server ------------------------------------------------------------------------------------------------------

# Starts a server on a free port and waits for its line; sets $server and $base.
start() { # MODELS [ARGUMENTS…]
    local line=''
    rm -f "$work/out"
    mkfifo "$work/out"
    "$binary" serve --models "$1" --port 0 "${@:2}" >"$work/out" 2>"$work/log" &
    server=$!
    exec 3<"$work/out"
    while read -r -t 30 -u 3 line; do
        case $line in
        'scanstep: listening on '*)
            base=${line#scanstep: listening on }
            cat <&3 >/dev/null &
            exec 3<&-
            return 0
            ;;
        esac
    done
    exec 3<&-
    return 1
}

# Ends the server as an operator would; its exit status is left in $ended.
stop() {
    kill -TERM "$server" 2>/dev/null
    # A server that never ends must not hold the tests up.
    ( exec >/dev/null 2>&1; sleep 40 & nap=$!; trap 'kill $nap' TERM; wait $nap; kill -KILL "$server" ) &
    local watch=$!
    wait "$server"
    ended=$?
    kill "$watch" 2>/dev/null
    wait "$watch" 2>/dev/null
    server=''
}

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

if ! start "$models" --model-control explicit; then
    fail 'the server listens' "$(tail -n 5 "$work/log")"
    summary
fi
pass

# --- models and health -----------------------------------------------------------------------------------------------

call GET /metrics
check 'metrics are told' '"scanstep_http_requests_total" in text and "process_resident_memory_bytes" in text'
call GET /livez
check 'it lives' 'status == 200'
call GET /readyz
check 'it is ready' 'status == 200'
call GET /openapi.yaml
check 'it serves its description' 'status == 200 and kind == "application/yaml"'
if cmp -s "$reply.body" openapi.yaml; then pass; else fail 'the description served is openapi.yaml' 'it differs'; fi

call GET /v1/models
check 'models are listed' "status == 200 and body['object'] == 'list' and '$model' in [m['id'] for m in body['data']]"
call GET "/v1/models/$model"
keep card
check 'one model is told' "status == 200 and body['id'] == '$model' and body['kind'] == 'tokens' and body['state_bytes'] > 0"
call GET /v1/models '' --header 'X-Request-Id: stranger.7'
check "the client's request id comes back" 'head["x-request-id"] == "stranger.7"'
call GET /v1/models '' --header 'X-Request-Id: not/sane at all'
check 'an odd request id is replaced' 'head["x-request-id"] and "/" not in head["x-request-id"]'

# --- text, and OpenAI's completions ------------------------------------------------------------------------------------

call POST /v1/tokenize "{\"model\": \"$model\", \"text\": \"To be\"}"
keep tokens
check 'a text has tokens' 'status == 200 and len(body["tokens"]) == 5'
call POST /v1/detokenize "$("$python" -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))' "$reply.body")"
check 'and they their text' 'status == 200 and body["text"] == "To be"'
call POST /v1/tokenize "{\"model\": \"$model\", \"text\": \"\"}"
check 'no text has none' 'status == 422 and "text must be" in body["detail"]'
call POST /v1/completions "{\"model\": \"$model\", \"prompt\": \"ROMEO:\", \"max_tokens\": 8, \"temperature\": 0, \"logprobs\": 2}"
keep whole
check 'a completion' 'status == 200 and body["object"] == "text_completion" and body["usage"]["total_tokens"] == 14'
check 'and how likely it was' 'len(body["choices"][0]["logprobs"]["tokens"]) == 8'
call POST /v1/completions "{\"model\": \"$model\", \"prompt\": \"ROMEO:\", \"max_tokens\": 8, \"temperature\": 0, \"stream\": true}"
check 'in a stream too' 'kind == "text/event-stream" and text.endswith("data: [DONE]\n\n")'
check 'with the same text' '"".join(e["choices"][0]["text"] for e in events[:-1]) == whole["choices"][0]["text"]'
call POST /v1/completions "{\"model\": \"$model\", \"prompt\": [\"A\", \"B\"], \"n\": 2, \"max_tokens\": 2, \"return_state\": true}"
check 'a state goes with one choice' 'status == 400 and body["error"]["param"] == "n"'
call POST /v1/completions "{\"model\": \"$model\", \"prompt\": \"A\", \"best_of\": 3}"
check 'best_of is refused by name' 'status == 400 and body["error"]["param"] == "best_of"'
call POST /v1/completions '{"model": "nobody", "prompt": "A"}'
check 'an unknown model, in the shape of both' 'status == 404 and body["error"]["code"] == "model_not_found" and body["status"] == 404'
call POST /v1/chat/completions "{\"model\": \"$model\", \"messages\": []}"
check 'chats are sent where text is served' 'status == 404 and "/v1/completions" in body["error"]["message"]'
call POST /v1/embeddings "{\"model\": \"$model\", \"input\": \"A\"}"
check 'and embeddings where states are' 'status == 404 and "/state" in body["error"]["message"]'

# --- the Open Inference Protocol ---------------------------------------------------------------------------------------

call GET /v2/health/live
check 'it lives' 'status == 200 and body == {"live": True}'
call GET /v2/health/ready
check 'it is ready' 'status == 200 and body == {"ready": True}'
call GET "/v2/models/$model/ready"
check 'a model is ready' 'status == 200 and body == {"name": "'"$model"'", "ready": True}'
call GET /v2
check 'its extensions' 'status == 200 and "sequence" in body["extensions"]'
call GET "/v2/models/$model"
check 'what a model takes' 'status == 200 and body["inputs"][0]["datatype"] == "INT64" and len(body["versions"]) == 1'
version=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["versions"][0])' "$reply.body" 2>/dev/null)
call GET /v2/models/stats
check 'what has been done' 'status == 200 and len(body["model_stats"]) >= 1'
tensor='"inputs": [{"name": "tokens", "datatype": "INT64", "shape": [1, 3], "data": [[1, 2, 3]]}]'
for of in "/v2/models/$model" "/v2/models/$model/versions/$version"; do
    call GET "$of"
    check "metadata of $of" 'status == 200 and body["platform"] == "scanstep"'
    call GET "$of/ready"
    check "and it is ready" 'status == 200'
    call GET "$of/config"
    check "configuration of $of" 'status == 200 and body["input"][0]["data_type"] == "TYPE_INT64"'
    call GET "$of/stats"
    check "statistics of $of" 'status == 200 and body["model_stats"][0]["inference_stats"]["fail"]["count"] >= 0'
    call POST "$of/infer" "{$tensor, \"model_name\": \"$model\", \"parameters\": {\"sequence_id\": 7, \"sequence_start\": true}}"
    check "a sequence of $of begins" 'status == 200 and body["outputs"][0]["shape"][:2] == [1, 3] and body["parameters"]["step"] == 3'
    call POST "$of/infer" "{$tensor, \"parameters\": {\"sequence_id\": 7, \"sequence_end\": true}}"
    check 'and ends' 'status == 200 and body["parameters"] == {"sequence_id": 7, "step": 6}'
    call POST "$of/infer" "{$tensor, \"outputs\": [{\"name\": \"state\", \"parameters\": {\"binary_data\": true}}]}"
    check 'bytes behind the JSON' 'status == 200 and kind == "application/octet-stream" and int(head["inference-header-content-length"]) > 0'
    call POST "$of/generate" '{"text_input": "ROMEO:", "parameters": {"max_tokens": 5, "seed": 3}}'
    keep generated
    check 'a text' 'status == 200 and len(body["text_output"]) == 5'
    call POST "$of/generate_stream" '{"text_input": "ROMEO:", "parameters": {"max_tokens": 5, "seed": 3}}'
    check 'and in a stream' '"".join(e["text_output"] for e in events) == generated["text_output"] and events[-1]["finish_reason"] == "length"'
done
call POST "/v2/models/$model/versions/7/infer" "{$tensor}"
check 'another version' 'status == 404 and body["error"].endswith("is served.")'
call POST "/v2/models/$model/infer" "{$tensor, \"parameters\": {\"sequence_id\": \"none\"}}"
check 'a sequence that has not begun' 'status == 400 and "must specify the START flag" in body["error"]'
call POST "/v2/models/$model/infer" '{"inputs": [{"name": "tokens", "datatype": "INT64", "shape": [1, 4], "data": [1, 2, 3]}]}'
check 'a shape of another size' 'status == 400 and body["error"] == "inputs[0].data has 3 elements; shape [1, 4] has 4."'
call POST /v2/repository/index ''
check 'the folder' "status == 200 and '$model' in [m['name'] for m in body if m['state'] == 'READY']"
call POST "/v2/repository/models/$model/unload" ''
check 'it is unloaded' 'status == 200'
call POST "/v2/models/$model/infer" "{$tensor}"
check 'and not there' 'status == 404 and "There is no model" in body["error"]'
call POST "/v2/repository/models/$model/load" '{}'
check 'and comes back' 'status == 200'
call POST /v2/repository/models/nobody/load ''
check 'but none that is not in the folder' 'status == 404 and "none of that name" in body["error"]'
call GET "/v2/models/$model/infer"
check 'a wrong method, in that shape' 'status == 405 and "error" in body and head["allow"]'

# --- sessions --------------------------------------------------------------------------------------------------------

call POST /v1/sessions "{\"model\": \"$model\"}"
check 'a session is created' 'status == 201 and body["step"] == 0 and head["location"] == "/v1/sessions/" + body["id"]'
check 'and it has no output yet' '"output" not in body and body["expires_at"].endswith("Z")'
call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-one\", \"text\": \"ROMEO:\"}"
check 'a session is created with an id and a text' 'status == 201 and body["id"] == "t-one" and body["step"] == 6'
check 'and reports its output' 'len(body["output"]["top"]) == 1 and body["output"]["top"][0]["logprob"] <= 0'
call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-one\"}"
check 'an id is taken once' 'status == 409 and body["type"] == "urn:scanstep:session-exists"'
call GET /v1/sessions/t-one
check 'a session is told' 'status == 200 and body["step"] == 6 and body["object"] == "session"'

call GET '/v1/sessions?limit=1'
keep page
check 'a page of sessions' 'status == 200 and len(body["data"]) == 1 and body["has_more"] and body["last_id"] == body["data"][0]["id"]'
last=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["last_id"])' "$reply.body" 2>/dev/null)
call GET "/v1/sessions?limit=1&after=$last"
check 'the next page goes on' 'len(body["data"]) == 1 and body["last_id"] != page["last_id"] and not body["has_more"]'

call POST /v1/sessions/t-one/prefill '{"text": "\nBut soft, what light?", "expected_step": 6, "score": true}'
check 'a session absorbs a text' 'status == 200 and body["step"] == 28 and body["usage"] == {"input_steps": 22, "cached_steps": 0}'
check 'and scores every token of it' 'body["score"]["steps"] == 22 and -200 < body["score"]["logprob"] < 0'
call POST /v1/sessions/t-one/step '{"token": 1, "expected_step": 28, "top_logprobs": 3}'
check 'a session steps' 'status == 200 and body["step"] == 29 and len(body["output"]["top"]) == 3'
check 'the best three come best first' '[t["logprob"] for t in body["output"]["top"]] == sorted((t["logprob"] for t in body["output"]["top"]), reverse=True)'
call POST /v1/sessions/t-one/step '{"token": 1, "logits": true}'
check 'a step shows its logits' 'len(body["output"]["logits"]) == card["vocabulary_size"] and "top" not in body["output"]'
call POST /v1/sessions/t-one/prefill '{"tokens": [1, 2, 3], "return": "all"}'
check 'every output is returned on request' 'len(body["outputs"]) == 3 and "output" not in body'
call POST /v1/sessions/t-one/prefill '{"tokens": [1, 2, 3], "return": "none"}'
check 'none is returned on request' 'body["step"] == 36 and "outputs" not in body and "output" not in body'

call POST /v1/prefill "{\"model\": \"$model\", \"sequences\": [{\"text\": \"O\"}, {\"text\": \"O Romeo, Romeo\", \"create\": \"t-two\"}, {\"tokens\": [5, 6], \"session\": \"t-one\"}, {\"text\": \"Nay\", \"create\": true}], \"score\": true}"
check 'ragged sequences are absorbed at once' 'status == 200 and [r["index"] for r in body["results"]] == [0, 1, 2, 3] and [r["usage"]["input_steps"] for r in body["results"]] == [1, 14, 2, 3]'
check 'with or without a session' 'body["results"][0]["session"] is None and [r["session"] for r in body["results"][1:3]] == ["t-two", "t-one"] and body["results"][3]["session"]'
check 'each at its step' '[r["step"] for r in body["results"]] == [1, 14, 38, 3]'
check 'a cold first token has no score' '[r["score"]["steps"] for r in body["results"]] == [0, 13, 2, 2]'
call POST /v1/step '{"steps": [{"session": "t-one", "token": 1, "expected_step": 38}, {"session": "t-two", "token": 1}, {"session": "t-nobody", "token": 1}, {"session": "t-two", "token": 1, "expected_step": 1}]}'
check 'many sessions step at once' 'status == 200 and [r.get("step") for r in body["results"][:2]] == [39, 15]'
check 'each result stands for itself' '[r["error"]["status"] for r in body["results"][2:]] == [404, 412] and body["results"][3]["error"]["step"] == 15'

# The same 40 inputs in one piece, in two, and one by one.
inputs=$("$python" -c 'print([(7 * i + 3) % 60 for i in range(40)])')
for id in t-whole t-halves t-steps; do call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"$id\"}"; done
call POST /v1/sessions/t-whole/prefill "{\"tokens\": $inputs, \"logits\": true}"
keep whole
"$python" -c 'import sys; i = eval(sys.argv[1]); print(i[:17]); print(i[17:])' "$inputs" >"$work/halves"
while read -r half; do call POST /v1/sessions/t-halves/prefill "{\"tokens\": $half, \"logits\": true}"; done <"$work/halves"
check 'two prefills give the bytes of one' 'body["output"] == whole["output"] and body["step"] == 40'
for token in $(tr -d '[],' <<<"$inputs"); do call POST /v1/sessions/t-steps/step "{\"token\": $token, \"logits\": true}"; done
check 'steps give the bytes of a prefill' 'body["output"] == whole["output"] and body["step"] == 40'

# --- generation ------------------------------------------------------------------------------------------------------

for id in a b c d; do call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-$id\", \"text\": \"JULIET:\"}"; done
settings='"max_tokens": 60, "temperature": 0.8, "top_k": 20, "top_p": 0.95, "seed": 11'
call POST /v1/sessions/t-a/generate "{$settings}"
keep generated
check 'text is generated' 'status == 200 and len(body["tokens"]) == 60 and body["finish_reason"] == "length" and body["seed"] == 11'
check 'and absorbed' 'body["step"] == 67 and body["usage"] == {"input_steps": 0, "cached_steps": 0, "output_steps": 60}'
call POST /v1/sessions/t-b/generate "{$settings}"
check 'the same seed gives the same text' 'body["text"] == generated["text"] and body["tokens"] == generated["tokens"]'
call POST /v1/sessions/t-c/generate "{$settings, \"stream\": true}"
check 'a stream is NDJSON' 'status == 200 and kind == "application/x-ndjson" and len(lines) == 61'
check 'of the same tokens' '[l["token"] for l in lines[:-1]] == generated["tokens"] and "".join(l["text"] for l in lines[:-1]) == generated["text"]'
check 'with the step of each' '[l["step"] for l in lines[:-1]] == list(range(8, 68))'
check 'and an end' 'lines[-1]["done"] is True and lines[-1]["step"] == 67 and lines[-1]["finish_reason"] == "length" and lines[-1]["seed"] == 11'
call POST /v1/sessions/t-d/generate "{$settings, \"stream\": true}" --header 'Accept: text/event-stream'
check 'a stream is events when asked' 'kind == "text/event-stream" and len(events) == 61 and events[-1]["done"] is True'
check 'of the same tokens too' '[e["token"] for e in events[:-1]] == generated["tokens"]'
check 'each ended by an empty line' 'text.count("\n\n") == 61 or text.count("\r\n\r\n") == 61'
call POST /v1/sessions/t-d/stream '{"token": 1}
{"token": 99}
{"token": 2}'
check 'a stream of steps answers line by line' 'status == 200 and [list(l)[0] for l in lines] == ["step", "error", "step", "done"] and lines[-1]["steps"] == 2'
call POST /v1/sessions/t-d/stream '{"token": 1}' --header 'Accept: text/event-stream'
check 'as events too' 'events[0]["step"] + 0 == events[1]["step"] and events[1]["done"]'
call POST /v1/sessions/t-a/generate '{"text": "\nROMEO:", "max_tokens": 3, "temperature": 0}'
check 'an input may come first' 'body["step"] == 77 and body["usage"] == {"input_steps": 7, "cached_steps": 0, "output_steps": 3} and body["scan"] == "exact"'
check 'a seed is chosen where none is given' 'isinstance(body["seed"], int) and body["seed"] >= 0'
call POST /v1/sessions/t-a/generate '{"text": "\nROMEO:", "max_tokens": 2, "scan": "associative", "stream": true}'
check 'absorbed as it asks' 'lines[-1]["step"] == 86 and lines[-1]["scan"] == "associative"'
call POST /v1/sessions/t-b/generate '{"max_tokens": 5000, "temperature": 0.8, "seed": 1, "stop": [" ", "\n"]}'
check 'a stop string ends it' 'body["finish_reason"] == "stop" and len(body["tokens"]) < 5000'
call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-cold\"}"
call POST /v1/sessions/t-cold/generate '{"max_tokens": 3}'
check 'a cold session needs an input' 'status == 422 and kind == "application/problem+json"'
call GET /v1/sessions/t-cold/output
check 'and has no output to tell again' 'status == 404 and body["type"] == "urn:scanstep:output-not-found"'
call POST /v1/sessions/t-d/generate '{"max_tokens": 2}' --header 'Accept: text/event-stream'
check 'who accepts events alone gets a stream' 'kind == "text/event-stream" and len(events) == 3 and events[-1]["done"]'
call POST /v1/sessions/t-d/rewind '{"to_step": 0}'
check 'a session can go back to step 0' 'status == 200 and body["step"] == 0'
call POST /v1/sessions/t-d/prefill '{"text": "JULIET:", "logits": true}'
keep last
call GET '/v1/sessions/t-d/output?logits=true'
check 'a lost reply is told again' 'status == 200 and body == {n: last[n] for n in ("session", "step", "output")} and text.endswith("}\n")'

# --- copies ----------------------------------------------------------------------------------------------------------

call POST /v1/sessions/t-a/fork '{"ids": ["t-fork-1", "t-fork-2"]}'
check 'a fork makes sessions at the same step' 'status == 201 and [s["id"] for s in body["sessions"]] == ["t-fork-1", "t-fork-2"] and {s["step"] for s in body["sessions"]} == {86}'
call GET /v1/sessions/t-a/state
check 'a state is a file with a tag' 'status == 200 and kind == "application/octet-stream" and len(head["etag"]) == 66'
file=$reply.body
tag=$(sed -n 's/^etag: \(.*\)\r$/\1/ip' "$reply.head")
call GET /v1/sessions/t-a/state '' --header "If-None-Match: $tag"
check 'which a client that has it need not read again' 'status == 304 and text == ""'
type='Content-Type: application/octet-stream'
call PUT /v1/sessions/t-carried/state '' --data-binary "@$file" --header "$type"
check 'brought back it is a session' 'status == 201 and body["step"] == 86'
call PUT /v1/sessions/t-carried/state '' --data-binary "@$file" --header "$type" --header "If-Match: $tag"
check 'or replaces the state of one' 'status == 200 and body["step"] == 86'
call PUT /v1/sessions/t-carried/state '' --data-binary "@$file" --header "$type" --header 'If-None-Match: *'
check 'unless there must be none' 'status == 412 and kind == "application/problem+json"'
for id in a fork-1 carried; do
    call POST "/v1/sessions/t-$id/step" '{"token": 5, "logits": true}'
    [ "$id" != a ] || keep first_of_three
    check "t-$id goes on with the same bytes" 'body["output"] == first_of_three["output"] and body["step"] == 87'
done

# --- going back, and asking again -------------------------------------------------------------------------------------

call POST /v1/sessions/t-a/checkpoints '{"name": "here"}'
check 'a state gets a name' 'status == 201 and body["name"] == "here" and body["step"] == 87'
call POST /v1/sessions/t-a/checkpoints '{"name": "here"}'
check 'once' 'status == 409 and kind == "application/problem+json"'
key='Idempotency-Key: one-and-only'
call POST /v1/sessions/t-a/step '{"token": 9, "logits": true}' --header "$key"
keep moved
check 'a step with a key' 'status == 200 and body["step"] == 88 and "idempotent-replayed" not in head'
call POST /v1/sessions/t-a/step '{"token": 9, "logits": true}' --header "$key"
check 'is done once and answered twice' 'status == 200 and body == moved and head["idempotent-replayed"] == "true"'
call POST /v1/sessions/t-a/step '{"token": 8}' --header "$key"
check 'and its key is not for another' 'status == 422 and body["type"] == "urn:scanstep:idempotency-key-reused"'
call GET /v1/sessions/t-a/checkpoints
check 'checkpoints are listed' '[c["name"] for c in body["data"]] == ["here"]'
call POST /v1/sessions/t-a/rewind '{"checkpoint": "here", "expected_step": 88}'
check 'a session goes back' 'status == 200 and body["step"] == 87'
call POST /v1/sessions/t-a/step '{"token": 9, "logits": true}'
check 'and comes to the same bytes' 'body["output"] == moved["output"]'
call DELETE /v1/sessions/t-a/checkpoints/here
check 'a checkpoint is deleted' 'status == 204'
call POST /v1/sessions/t-a/rewind '{"checkpoint": "here"}'
check 'and then is not there' 'status == 404 and body["type"] == "urn:scanstep:checkpoint-not-found"'

long='"text": "ROMEO: But soft, what light through yonder window breaks?"'
call POST /v1/prefill "{\"model\": \"$model\", \"sequences\": [{$long}]}"
keep absorbed
call POST /v1/prefill "{\"model\": \"$model\", \"sequences\": [{$long}]}"
check 'a prompt that was absorbed is not absorbed again' 'body["results"][0]["usage"]["cached_steps"] == body["results"][0]["usage"]["input_steps"] == 57'
check 'and gives the same bytes' 'body["results"][0]["output"] == absorbed["results"][0]["output"]'
call POST /v1/prefill "{\"model\": \"$model\", \"sequences\": [{$long}], \"cache\": {\"mode\": \"bypass\"}}"
check 'unless that is wanted' 'body["results"][0]["usage"]["cached_steps"] == 0'

# --- the end of a session --------------------------------------------------------------------------------------------

call DELETE /v1/sessions/t-d
check 'a session is deleted' 'status == 204 and not text'
call GET /v1/sessions/t-d
check 'and is gone' 'status == 410 and kind == "application/problem+json" and body["reason"] == "deleted" and body["last_step"] == 7'
call POST /v1/sessions/t-d/step '{"token": 1}'
check 'to a step as well' 'status == 410 and body["last_step"] == 7'
call DELETE /v1/sessions/t-d
check 'deleting twice says so' 'status == 410'
call DELETE /v1/sessions/t-nobody
check 'deleting what never was is 404' 'status == 404'
call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-d\"}"
check 'the name is free again' 'status == 201 and body["step"] == 0'

# --- bad input: a clear problem, the server lives on, the session has not moved --------------------------------------

for id in t-kept t-twin; do call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"$id\", \"text\": \"MERCUTIO:\"}"; done

# Checks that the last reply is a problem of this status and that the session stands where it stood.
refused() { # NAME STATUS [EXPRESSION]
    check "$1" "status == $2 and kind == 'application/problem+json' and body['status'] == $2 and body['type'].startswith('urn:scanstep:') and body['title'] and body['detail'] and head['x-request-id'] and (${3:-True})"
    call GET /v1/sessions/t-kept
    check "$1: nothing moved" 'status == 200 and body["step"] == 9'
}

# Each line: name, status, the end of the path, body, and perhaps one thing more that must hold.
while IFS='|' read -r name expected path body more; do
    [ -n "$name" ] || continue
    call POST "/v1/${path/SESSION/sessions/t-kept}" "${body//MODEL/$model}"
    refused "$name" "$expected" "$more"
done <<'TABLE'
malformed JSON|400|SESSION/prefill|{"text" "O"}
truncated JSON|400|SESSION/prefill|{"text": "O Rom
a trailing comma|400|SESSION/prefill|{"tokens": [1],}
two values|400|SESSION/step|{"token": 1} {"token": 2}
not an object|422|SESSION/step|[1]
text of a wrong type|422|SESSION/prefill|{"text": 5}
tokens of a wrong type|422|SESSION/prefill|{"tokens": "O"}
a fraction for a token|422|SESSION/prefill|{"tokens": [1.5]}
a boolean for a token|422|SESSION/step|{"token": true}
null for a token|422|SESSION/step|{"token": null}
an unknown field|422|SESSION/step|{"token": 1, "tocken": 2}
an unknown model|404|sessions|{"model": "nobody"}
an unknown model to prefill|404|prefill|{"model": "nobody", "sequences": [{"text": "O"}]}
an unknown session|404|sessions/t-nobody/step|{"token": 1}
an unknown session to prefill|404|prefill|{"model": "MODEL", "sequences": [{"tokens": [1], "session": "t-kept"}, {"tokens": [1], "session": "t-nobody"}]}
text and tokens|422|SESSION/prefill|{"text": "O", "tokens": [1]}
text and vectors|422|SESSION/prefill|{"text": "O", "vectors": [[1]]}
no input|422|SESSION/prefill|{}
token and vector|422|SESSION/step|{"token": 1, "vector": [1]}
neither token nor vector|422|SESSION/step|{}
vectors for a model of tokens|422|SESSION/prefill|{"vectors": [[1.0]]}
a token out of range|422|SESSION/prefill|{"tokens": [1, 100000]}
a token out of range in a step|422|SESSION/step|{"token": 100000}
a number beyond all integers|400|SESSION/step|{"token": 12345678901234567890123}
a negative token|422|SESSION/step|{"token": -1}
a character outside the vocabulary|422|SESSION/prefill|{"text": "Roméo"}|'é' in body['detail']
a character outside, in generate|422|SESSION/generate|{"text": "~", "max_tokens": 1}|'~' in body['detail']
NaN|400|SESSION/prefill|{"vectors": [[NaN]]}
Infinity|400|SESSION/prefill|{"vectors": [[Infinity]]}
empty text|422|SESSION/prefill|{"text": ""}
no tokens|422|SESSION/prefill|{"tokens": []}
no sequences|422|prefill|{"model": "MODEL", "sequences": []}
an unknown return|422|SESSION/prefill|{"text": "O", "return": "some"}
an unknown scan|422|SESSION/prefill|{"text": "O", "scan": "sideways"}
another step than expected|412|SESSION/prefill|{"text": "O", "expected_step": 8}|body['step'] == 9
another step, in a step|412|SESSION/step|{"token": 1, "expected_step": 10}|body['step'] == 9
another step, in generate|412|SESSION/generate|{"max_tokens": 1, "expected_step": 0}|body['step'] == 9
max_tokens of zero|422|SESSION/generate|{"max_tokens": 0}
max_tokens without bound|422|SESSION/generate|{"max_tokens": 100001}
a temperature below zero|422|SESSION/generate|{"temperature": -0.1}
a top_p above one|422|SESSION/generate|{"top_p": 1.5}
a negative seed|422|SESSION/generate|{"seed": -1}
an empty stop|422|SESSION/generate|{"stop": ""}
a bad stream flag|422|SESSION/generate|{"stream": "yes"}
a bad session id|422|sessions|{"model": "MODEL", "id": "-nope"}
a session id that is a path|422|sessions|{"model": "MODEL", "id": "a/b"}
steps that are no list|422|step|{"steps": {"session": "t-kept", "token": 1}}
an unknown path|404|nothing|{}
a known method on a wrong path|405|models|{}|'GET' in head['allow']
TABLE

call POST /v1/sessions/t-kept/prefill '' --header 'Content-Type: application/json' --data-binary ''
refused 'an empty body' 400
printf '{"text": "O \xff\xfe"}' >"$work/latin"
call POST /v1/sessions/t-kept/prefill '' --header 'Content-Type: application/json' --data-binary "@$work/latin"
refused 'bytes that are not UTF-8' 400
"$python" -c 'print("[" * 100000)' >"$work/deep"
call POST /v1/sessions/t-kept/prefill '' --header 'Content-Type: application/json' --data-binary "@$work/deep"
refused 'brackets without end' 400
call GET '/v1/sessions?limit=0'
refused 'a limit of zero' 422
call GET '/v1/sessions?limit=many'
refused 'a limit that is no number' 422
"$python" -c 'print("{\"text\": \"" + "O" * (17 << 20) + "\"}")' >"$work/large"
call POST /v1/sessions/t-kept/prefill '' --header 'Content-Type: application/json' --data-binary "@$work/large"
refused 'a body over the limit' 413 'body["limit"] > 0'
call POST /v1/sessions/t-kept/prefill '' --header 'Content-Type: application/json' --header 'Transfer-Encoding: chunked' --data-binary "@$work/large"
refused 'a chunked body over the limit' 413
call GET /v1/models '' --header "X-Long: $("$python" -c 'print("x" * 70000)')"
refused 'a head over the limit' 431
call BREW /v1/models
refused 'an unknown method' 501

post='POST /v1/sessions/t-kept/step HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
raw "${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{\"token\": 1}\r\n0\r\n\r\n"
refused 'a chunk without a size' 400
raw "${post}Transfer-Encoding: chunked\r\n\r\n5\r\n{\"token\": 1}\r\n0\r\n\r\n"
refused 'a chunk longer than its size' 400
raw "${post}Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\nc\r\n{\"token\": 1}\r\n0\r\n\r\n"
refused 'Content-Length with Transfer-Encoding' 400
raw "${post}Content-Length: 12\r\nContent-Length: 13\r\n\r\n{\"token\": 1}"
refused 'two lengths' 400
raw "${post}Content-Length: twelve\r\n\r\n{\"token\": 1}"
refused 'a length that is no number' 400
raw 'GET /livez HTTP/1.1\r\n\r\n'
refused 'no Host' 400
raw 'hello\r\n\r\n'
refused 'not HTTP' 400
raw 'GET /livez HTTP/2.7\r\nHost: localhost\r\n\r\n'
refused 'another version of HTTP' 505

# A body that stops short moves nothing; the server closes or waits, but lives.
if exec 4<>"/dev/tcp/127.0.0.1/${base##*:}"; then
    printf '%b' "${post}Content-Length: 12\r\n\r\n{\"token\"" >&4
    exec 4>&-
fi
call GET /livez
check 'it lives after all that' 'status == 200'
call POST /v1/sessions/t-twin/step '{"token": 1, "logits": true}'
keep twin
call POST /v1/sessions/t-kept/step '{"token": 1, "logits": true}'
check 'the refused session goes on as its untouched twin' 'status == 200 and body["step"] == 10 and body["output"] == twin["output"]'

# --- the README's own lines ------------------------------------------------------------------------------------------

if [ -f README.md ]; then
    # Lines in fenced blocks that begin with `curl ` or `$ curl `; a backslash at the end continues one.
    awk '/^ *```/ { fenced = !fenced; more = 0; next }
         fenced && (more || /^(\$ )?curl /) {
             line = $0; if (!more) sub(/^\$ /, "", line)
             more = sub(/\\$/, "", line); printf "%s%s", line, more ? " " : "\n"
         }' README.md >"$work/readme"
    if [ -s "$work/readme" ]; then pass; else fail 'the README shows curl lines' 'it shows none'; fi
    while IFS= read -r line <&5; do
        told=$line
        line=${line//localhost:8080/${base#http://}}
        line=${line//127.0.0.1:8080/${base#http://}}
        line=${line/#curl /curl --fail-with-body --silent --show-error --max-time 60 }
        if (cd "$work" && bash -o pipefail -c "$line") >"$work/said" 2>&1 </dev/null; then
            pass
        else
            fail "README: $told" "$(tail -c 400 "$work/said")"
        fi
    done 5<"$work/readme"
else
    fail 'the README shows curl lines' 'there is no README.md'
fi

# --- stopping and starting -------------------------------------------------------------------------------------------

# A stream that runs at SIGTERM is finished; then the server ends with 0.
call POST /v1/sessions "{\"model\": \"$model\", \"id\": \"t-last\", \"text\": \"O\"}"
mkfifo "$work/stream"
curl --silent --no-buffer --max-time 60 "$base/v1/sessions/t-last/generate" --header 'Content-Type: application/json' \
    --data '{"max_tokens": 400, "seed": 1, "stream": true}' >"$work/stream" &
streaming=$!
exec 6<"$work/stream"
read -r -t 30 -u 6 _
cat <&6 >"$work/rest" &
reading=$!
stop
wait "$streaming" "$reading"
exec 6<&-
if [ "$ended" -eq 0 ]; then pass; else fail 'SIGTERM ends the server with 0' "it ended with $ended: $(tail -n 3 "$work/log")"; fi
if tail -n 1 "$work/rest" | grep -q '"done": *true'; then pass; else fail 'a running stream is finished first' "$(tail -n 1 "$work/rest")"; fi

if "$python" -c 'import jsonschema, openapi_spec_validator, yaml' 2>/dev/null; then
    if "$python" Tests/openapi.py --replies "$work/replies"; then pass; else fail 'the replies fit openapi.yaml' 'see above'; fi
else
    echo 'The replies were not compared with openapi.yaml: Tests/requirements.txt is not installed.'
fi

# Broken models are refused by name and the good one is served.
broken=$work/models
mkdir -p "$broken/truncated" "$broken/overlapping"
cp -r "$models/$model" "$broken/good"
cp -r "$models/$model/." "$broken/truncated"
head -c 5000 "$models/$model/model.safetensors" >"$broken/truncated/model.safetensors"
"$python" - "$broken/overlapping/model.safetensors" <<'PY'
import json, struct, sys
header = {"a": {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}, "b": {"dtype": "F32", "shape": [8], "data_offsets": [16, 48]}}
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + bytes(48))
PY
if start "$broken"; then
    call GET /v1/models
    check 'broken models are left out' '[m["id"] for m in body["data"]] == ["good"]'
    stop
    for name in truncated overlapping; do
        if grep -q "$name" "$work/log"; then pass; else fail "the log names the $name model" "$(cat "$work/log")"; fi
    done
else
    fail 'one good model is enough to start' "$(tail -n 5 "$work/log")"
    stop
fi

# With no model left it ends with 1 and a line that says why.
rm -rf "$broken/good"
for folder in "$broken" "$work/empty" "$work/missing"; do
    [ "$folder" = "$work/missing" ] || mkdir -p "$folder"
    timeout 20 "$binary" serve --models "$folder" --port 0 >"$work/none.out" 2>"$work/none.err"
    ended=$?
    name="no model in $(basename "$folder")"
    if [ "$ended" -eq 1 ]; then pass; else fail "$name: exit 1" "it ended with $ended"; fi
    if grep -q "$folder" "$work/none.err" && ! grep -q 'Fatal error' "$work/none.err"; then
        pass
    else
        fail "$name: a clear line" "$(cat "$work/none.err")"
    fi
    if [ ! -s "$work/none.out" ]; then pass; else fail "$name: it never listens" "$(cat "$work/none.out")"; fi
done

summary
