-- What HAProxy's own words cannot say about a slot (one `db` server of the backends `write` and `read`). For each of them,
-- ten times a second:
--
-- 1. A slot whose address DNS has forgotten goes back to `disabled`, its state at start. HAProxy before 3.1 takes a server
--    that leaves maintenance for up, and the agent's last word was about the member that is gone: its successor would get
--    connections before its own agent has answered.
-- 2. A slot that has been down for longer than a connection attempt lasts loses its sessions. `on-marked-down
--    shutdown-sessions` does so at once, and takes the connections that are only being made with it: 2.6 fails them, 3.0
--    leaves them hanging until `timeout client`. Left alone for 125 ms they go to another member.
local POLL_MS = 100
local POLLS_DOWN = 3 -- above `timeout connect` in haproxy.cfg

local polls_down = setmetatable({}, { __index = function() return 0 end })

local function tend(slot, server)
  if server:get_addr() == "<unknown>" then
    polls_down[slot] = 0
    server:set_maint()
    server:shut_sess()
    return
  end
  local down = string.find(server:get_stats().status, "^DOWN")
  polls_down[slot] = down and polls_down[slot] + 1 or 0
  if polls_down[slot] > POLLS_DOWN then
    server:shut_sess()
  end
end

core.register_task(function()
  while true do
    for _, backend in ipairs({ "write", "read" }) do
      for name, server in pairs(core.backends[backend].servers) do
        if string.find(name, "^db") then
          tend(backend .. "/" .. name, server)
        end
      end
    end
    core.msleep(POLL_MS)
  end
end)
