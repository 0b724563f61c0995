-- What wrk sends, and what it prints at the end. Arguments: kind (get, post, close) and path.
-- A head like a browser's; 2000 users, each always with the same cookie.

local USERS = 2000
local requests = {}
local count = 0

function init(args)
  local kind, path = args[1], args[2]
  local method, body = "GET", nil
  if kind == "post" then
    method = "POST"
    body = string.rep("0123456789abcdef", 640)
  end
  for user = 1, USERS do
    local headers = {
      ["Host"] = "shop.example.com",
      ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36",
      ["Accept"] = "application/json, text/plain, */*",
      ["Accept-Encoding"] = "gzip, deflate, br",
      ["Accept-Language"] = "en-US,en;q=0.9",
      ["Cookie"] = "theme=dark; uid=user" .. user .. "; session=0123456789abcdef0123456789abcdef",
      ["Referer"] = "https://shop.example.com/",
    }
    if kind == "post" then headers["Content-Type"] = "application/octet-stream" end
    if kind == "close" then headers["Connection"] = "close" end
    requests[user] = wrk.format(method, path .. "?item=" .. user .. "&page=" .. user % 7, headers, body)
  end
end

function request()
  count = count + 1
  return requests[count % USERS + 1]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'done {"microseconds":%d,"requests":%d,"bytes":%d,"p50":%d,"p99":%d,"errors":%d}\n',
    summary.duration, summary.requests, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
