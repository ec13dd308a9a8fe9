-- Requests for wrk: `wrk ... -s wrk.lua URL -- get PATH`, `wrk ... -s wrk.lua URL -- livez`,
-- `wrk ... -s wrk.lua URL -- step SESSIONS PREFIX VOCABULARY` or
-- `wrk ... -s wrk.lua URL -- random SESSIONS VOCABULARY SEED`. Steps with random tokens go to the sessions PREFIX0, PREFIX1,
-- … in turn, as many as there are connections, or to sessions drawn from s0000000, s0000001, …. `get` sends the same bytes
-- all the time and calls no script for them. The result is one line of JSON.

local requests, count, last = {}, 0, 0

-- A drawn session is not drawn again among so many: with fewer connections none waits for itself.
local APART = 256

local function draw(sessions, vocabulary)
  local headers = { ["Content-Type"] = "application/json" }
  local before, behind = {}, {}
  for token = 0, vocabulary - 1 do
    local whole = wrk.format("POST", "/v1/sessions/s#/step", headers, '{"token":' .. token .. '}')
    local place = whole:find("#", 1, true)
    before[token], behind[token] = whole:sub(1, place - 1), whole:sub(place + 1)
  end
  local drawn, latest, at = {}, {}, 0
  function request()
    local session
    repeat session = math.random(0, sessions - 1) until not drawn[session]
    at = (at + 1) % APART
    if latest[at] then drawn[latest[at]] = nil end
    latest[at], drawn[session] = session, true
    local token = math.random(0, vocabulary - 1)
    return before[token] .. string.format("%07d", session) .. behind[token]
  end
end

-- A request that is the same every time must have no function, so this one is not global yet.
local function inTurn()
  last = (last + 1) % count
  return requests[last]
end

function init(arguments)
  if arguments[1] == "get" then
    wrk.path = arguments[2]
    return
  end
  request = inTurn
  math.randomseed(1)
  if arguments[1] == "livez" then
    requests[0], count = wrk.format("GET", "/livez"), 1
    return
  end
  if arguments[1] == "random" then
    math.randomseed(tonumber(arguments[4]))
    draw(tonumber(arguments[2]), tonumber(arguments[3]))
    return
  end
  local sessions, prefix, vocabulary = tonumber(arguments[2]), arguments[3], tonumber(arguments[4])
  local headers = { ["Content-Type"] = "application/json" }
  count = sessions * 16
  for index = 0, count - 1 do
    local body = '{"token":' .. math.random(0, vocabulary - 1) .. '}'
    requests[index] = wrk.format("POST", "/v1/sessions/" .. prefix .. index % sessions .. "/step", headers, body)
  end
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "bad": %d, "p50_ms": %.4f, "p90_ms": %.4f, "p99_ms": %.4f, "max_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3))
end
