-- For wrk: asks for pages that nobody has asked for before.
-- After `--`: a name for this run, milliseconds that a connection waits before each request, one in how many
-- requests is for an earlier page (0: none), and which pages of the origin stand behind the addresses.
local run, again, pages, count = "", 0, {}, 0

local function path(number)
  return "/new/" .. pages[number % #pages + 1] .. "/" .. run .. "-" .. number
end

function init(words)
  run, again = words[1], tonumber(words[3])
  for i = 4, #words do pages[#pages + 1] = words[i] end
  local pause = tonumber(words[2])
  if pause > 0 then
    function delay() return pause end
  end
end

function request()
  if again > 0 and count > 0 and math.random(again) == 1 then
    return wrk.format("GET", path(math.random(math.max(1, count - 2000), count)))
  end
  count = count + 1
  return wrk.format("GET", path(count))
end
