#!/usr/bin/env bash
# Deno 2.9.5 (npm, for Linux on x64): a WebSocket that the server resets closes with code 0.
#
# Guess: code 1006, which the standard keeps for a connection that broke without a Close frame.
# Seen: code 0; undici, the WebSocket that is built into Node, gives 1006 for the same server.
# Why it matters: clients decide by the code whether to connect again and what to log. A test for
# 1006 that works in Node never matches here, and 0 is easily taken for "no error".
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> kill.log || true; rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --no-audit --no-fund --ignore-scripts deno@2.9.5 @deno/linux-x64-glibc@2.9.5 \
    ws@8.23.0 undici@7.30.2

cat > server.js <<'JS'
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (client) => {
  client.send("trade");
  setTimeout(() => client._socket.resetAndDestroy(), 500);
});
setTimeout(() => process.exit(), 120_000);
JS
cat > client.js <<'JS'
const socket = new WebSocket(address);
socket.onclose = (event) => console.log(name, "close code", event.code);
JS
node server.js > port.txt &
server=$!
until [ -s port.txt ]; do sleep 0.1; done
address="ws://127.0.0.1:$(cat port.txt)"

{ echo "const name = 'Deno', address = '$address';"; cat client.js; } > deno.js
{
    echo "const name = 'Node', address = '$address';"
    echo 'const { WebSocket } = require("undici");'
    cat client.js
} > node.js
{
    timeout 60 node_modules/@deno/linux-x64-glibc/deno run --quiet --allow-net=127.0.0.1 deno.js
    timeout 60 node node.js
} | tee seen.txt
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
Deno close code 0
Node close code 1006
END
