-- Requests for wrk: `wrk ... -s wrk.lua URL -- livez` or `wrk ... -s wrk.lua URL -- step SESSIONS PREFIX VOCABULARY`.
-- Steps go to the sessions PREFIX0, PREFIX1, … in turn, as many as there are connections, with random tokens. The result
-- is one line of JSON.

local requests, count, last = {}, 0, 0

function init(arguments)
  math.randomseed(1)
  if arguments[1] == "livez" then
    requests[0], count = wrk.format("GET", "/livez"), 1
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

function request()
  last = (last + 1) % count
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "bad": %d, "p50_ms": %.4f, "p90_ms": %.4f, "p99_ms": %.4f, "max_ms": %.4f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3))
end
