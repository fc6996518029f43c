#!/usr/bin/env bash
# @stoqey/finnhub 0.3.4 (npm): of each message of trades only the first trade is passed on.
#
# Guess: a message with five trades gives five onData events.
# Seen: one event, for the first trade; the other four are dropped without a word.
# Why it matters: Finnhub's stream puts many trades, of several symbols, into one message, so the
# busier the market, the more is lost; volumes and highs made from it are wrong.
# (The address is fixed in the package, so a local server is put in its place; and the package
# needs dotenv without saying so.)
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund @stoqey/finnhub@0.3.4 ws@8.23.0 dotenv@16.6.1

cat > probe.js <<'JS'
const path = require.resolve("ws", { paths: [require.resolve("@stoqey/finnhub")] });
const WebSocket = require(path);
const server = new (require("ws").WebSocketServer)({ host: "127.0.0.1", port: 0 });
function local() {
  return new WebSocket(`ws://127.0.0.1:${server.address().port}`);
}
require.cache[path].exports = Object.assign(local, { default: local, __esModule: true });
const { FinnhubWS } = require("@stoqey/finnhub");

const trades = [1, 2, 3, 4, 5].map((size) => (
  { s: size < 4 ? "AAPL" : "MSFT", p: 100, v: size, t: 1796050000000, c: [] }
));
server.on("connection", (socket) => {
  socket.send(JSON.stringify({ type: "trade", data: trades }));
});
server.on("listening", () => {
  const seen = [];
  new FinnhubWS("token").on("onData", (trade) => seen.push(`${trade.symbol} ${trade.volume}`));
  setTimeout(() => {
    console.log(`sent ${trades.length}, passed on: ${seen}`);
    process.exit(seen.join() === "AAPL 1" ? 0 : 1);
  }, 3000);
});
JS
timeout 60 node probe.js || { echo "changed"; exit 1; }
