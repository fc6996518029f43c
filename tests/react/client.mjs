// recorder-client.js against a recorder of the test's own making, in Node: what a browser test
// cannot bring about at will. Run with: node client.mjs PATH-OF-THE-PACKAGE

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const PACKAGE = process.argv[2];
const load = (file) => import(pathToFileURL(join(PACKAGE, file)).href);

/** Each connection that was opened, in order. */
const opened = [];

globalThis.EventSource = class {
  constructor(url) {
    this.url = url;
    this.isOpen = true;
    opened.push(this);
  }

  close() {
    this.isOpen = false;
  }

  says(status) {
    this.onmessage({ data: typeof status === 'string' ? status : JSON.stringify(status) });
  }
};

/** The page: whether it can be seen, and its window, which a link leaves and the way back shows again. */
globalThis.document = Object.assign(new EventTarget(), { hidden: false });
const frame = new EventTarget();
globalThis.addEventListener = frame.addEventListener.bind(frame);
globalThis.removeEventListener = frame.removeEventListener.bind(frame);

function turn(hidden) {
  document.hidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
}

/** What was asked for, and what is answered next. */
const asked = [];
let answer = () => ({ ok: true, body: { symbol: 'A', gaps: [], bars: [], candles: [] } });

globalThis.fetch = async (url) => {
  asked.push(url);
  const { ok, body } = answer();
  return { ok, json: async () => body };
};

async function until(what, isTrue) {
  const deadline = Date.now() + 15_000;
  while (!isTrue()) {
    assert(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let trades = 0;

function status(more = {}) {
  const now = Date.now();
  trades += 1;
  const ticker = { symbol: 'A', state: 'live', price: '1.50', first_price: '1.25', trades, volume: 2 };
  return {
    kind: 'snapshot', version: '0.1.0', state: 'live', reason: '', disk_trouble: null,
    now_ms: now, started_ms: 1000, published_ms: now, last_message_ms: now, missing_ms: 0,
    tickers: [ticker], ...more,
  };
}

const { recorderAt } = await load('recorder-client.js');
const URL_ = 'http://recorder.test';
const recorder = recorderAt(`${URL_}/`, { version: '0.1.7' });
const current = () => opened.at(-1);

// One connection for all, under every spelling of the address; closed after the last one.
assert.equal(recorderAt(URL_), recorder);
const leave = [recorder.subscribe(() => {}), recorder.subscribe(() => {})];
assert.equal(opened.length, 1);
assert.equal(current().url, `${URL_}/api/events`);
assert.deepEqual([recorder.read().connected, recorder.read().stale], [false, true]);
current().says(status());
assert.deepEqual([recorder.read().connected, recorder.read().stale, recorder.read().word], [true, false, 'Live']);

// Who leaves and comes back at once, as under StrictMode, keeps the connection.
leave.forEach((end) => end());
const stay = recorder.subscribe(() => {});
await new Promise((resolve) => setTimeout(resolve, 20));
assert.deepEqual([opened.length, current().isOpen], [1, true]);

// Changes are merged; what has not changed stays the same object, and nothing is changed in place.
const two = [{ symbol: 'A', trades: 1 }, { symbol: 'B', trades: 1 }];
current().says(status({ tickers: two }));
const before = recorder.read();
current().says(status({ kind: 'change', tickers: [{ symbol: 'B', trades: 2 }] }));
const after = recorder.read();
assert.deepEqual(after.tickers.map((ticker) => ticker.trades), [1, 2]);
assert.equal(after.tickers[0], before.tickers[0]);
assert.equal(before.tickers[1].trades, 1);

// A connection that died for good, as after a proxy's 502, is opened again.
current().onerror();
assert.deepEqual([recorder.read().connected, recorder.read().feed], [false, 'gone']);
assert.match(recorder.read().notice, /has not answered since/);
await until('another connection', () => opened.length === 2);
assert.equal(recorder.read().feed, 'gone', 'until it is heard again');
current().says(status());
assert.equal(recorder.read().feed, 'live');

// So is one that says what no recorder says.
for (const nonsense of ['<html>', '{}', 'null', '{"tickers":3}']) {
  const count = opened.length;
  current().says(nonsense);
  assert.equal(recorder.read().connected, false, nonsense);
  await until('another connection', () => opened.length === count + 1);
}

// And one that falls silent.
current().says(status());
const count = opened.length;
await until('the silence to be noticed', () => opened.length === count + 1);
current().says(status());
assert.equal(recorder.read().feed, 'live');

// A recorder of another kind is not taken for one's own, and one that fits is taken again.
current().says(status({ version: '0.3.0' }));
assert.equal(recorder.read().connected, false);
assert.match(recorder.read().notice, /0\.3\.0.*made for 0\.1\.7.*npm install http:\/\/recorder\.test\/react\.tgz/);
current().says(status());
assert.equal(recorder.read().notice, '');

// Old numbers are called so, and why.
for (const [more, word, notice] of [
  [{ state: 'down', reason: 'reset' }, 'Down', /reset/],
  [{ disk_trouble: 'disk full' }, 'Waiting for the disk', /disk full/],
  [{ published_ms: Date.now() - 60_000 }, 'Waiting for the disk', /takes no rows/],
  [{ last_message_ms: Date.now() - 600_000 }, 'No messages', /said nothing since/],
]) {
  current().says(status(more));
  assert.deepEqual([recorder.read().word, recorder.read().stale], [word, true]);
  assert.match(recorder.read().notice, notice);
}

// The history is asked for once, then from its last bars on, and only when something has happened.
const history = recorder.history('A');
assert.equal(recorder.history('A'), history);
let bars = [[10, 1, 1, 1], [11, 2, 1, 1], [12, 3, 1, 1]];
const candle = (second, length, price) => [second, length, price, price, price, price, 1, 1];
let candles = [candle(8, 1, 1), candle(9, 1, 2), candle(12, 1, 3)];
answer = () => ({ ok: true, body: { gaps: [{ from_ms: 1, to_ms: 2, reason: 'x' }], bars, candles } });
current().says(status());
const noMore = history.subscribe(() => {});
await until('the history', () => history.read().bars.length === 3);
assert.deepEqual(asked, [`${URL_}/api/history/A`]);
assert.equal(history.read().gaps.length, 1);
bars = [[11, 2.5, 2, 2], [12, 3, 1, 1], [13, 4, 1, 1]];
candles = [candle(9, 1, 7), candle(10, 1, 8), candle(13, 1, 9)];
const kept = history.read().bars;
await until('more', () => {
  current().says(status());
  return history.read().bars.length === 4;
});
assert.equal(asked.at(-1), `${URL_}/api/history/A?after=10`);
assert.deepEqual(history.read().bars.map((bar) => bar[1]), [1, 2.5, 3, 4]);
assert.equal(kept[1][1], 2, 'what was given is not changed');
assert.deepEqual(
  history.read().candles,
  [candle(8, 1, 1), candle(9, 1, 7), candle(10, 1, 8), candle(12, 1, 3), candle(13, 1, 9)],
);

// A recorder that began anew is asked from the beginning.
bars = [[20, 9, 1, 1]];
candles = [candle(20, 1, 9)];
trades = 0;
await until('the new history', () => {
  current().says(status({ started_ms: 2000 }));
  return history.read().bars.length === 1;
});
assert.equal(asked.at(-1), `${URL_}/api/history/A`);
assert.deepEqual(history.read().candles, candles);

// One that has just started has no list yet, and is not asked.
const askedBefore = asked.length;
current().says(status({ started_ms: 2500, tickers: [] }));
await new Promise((resolve) => setTimeout(resolve, 1100));
current().says(status({ started_ms: 2500, tickers: [] }));
assert.equal(asked.length, askedBefore);

// What is not on the list says so, once, and comes when it is there.
answer = () => ({ ok: false, body: { error: 'A is not on the list: B' } });
await until('the refusal', () => {
  current().says(status({ started_ms: 3000 }));
  return history.read().error !== '';
});
assert.equal(history.read().error, 'A is not on the list: B');
answer = () => ({ ok: true, body: { gaps: [], bars, candles } });
await until('the recovery', () => {
  current().says(status({ started_ms: 3000 }));
  return history.read().error === '';
});

// A page that cannot be seen lets go of its connection, and what it shows stays as it was.
current().says(status());
const [shown, clock, connections] = [recorder.read(), recorder.now(), opened.length];
turn(true);
assert.equal(current().isOpen, false);
const asked2 = asked.length;
await new Promise((resolve) => setTimeout(resolve, 5000)); // longer than the silence of one that is gone
assert.deepEqual([opened.length, asked.length], [connections, asked2]);
assert.equal(recorder.read(), shown);
assert(recorder.now() - clock < 500, 'ages stand still');

// When it is seen again it connects, and is not taken for one that is gone meanwhile.
const told = [];
const noWords = recorder.subscribe(() => told.push(recorder.read().feed));
turn(false);
turn(false);
assert.deepEqual([opened.length, current().isOpen], [connections + 1, true]);
await new Promise((resolve) => setTimeout(resolve, 1000));
assert(recorder.now() - clock < 500, 'until it is heard');
assert.deepEqual([told, recorder.read().connected], [[], true]);
current().says(status({ started_ms: 3000 }));
assert.deepEqual(told, ['live']);
assert(recorder.now() - clock > 5500);
await until('the time between', () => asked.length > asked2);
assert.match(asked.at(-1), /history/);

// One that has really gone is called so.
turn(true);
turn(false);
current().onerror();
assert.equal(recorder.read().feed, 'gone');
turn(true);
const tries = opened.length;
await new Promise((resolve) => setTimeout(resolve, 1500));
assert.equal(opened.length, tries, 'nobody tries for a page that cannot be seen');
turn(false);
assert.equal(opened.length, tries + 1);
assert.equal(recorder.read().feed, 'gone', 'until it is heard');
current().says(status({ started_ms: 3000 }));

// A page that is left by a link, and comes back whole.
frame.dispatchEvent(new Event('pagehide'));
assert.equal(current().isOpen, false);
turn(true);
turn(false);
frame.dispatchEvent(new Event('pageshow'));
assert.deepEqual([opened.length, current().isOpen], [tries + 2, true]);
current().says(status({ started_ms: 3000 }));

// After an hour the recorder has made longer bars: the history comes from the beginning, also for a page
// that has followed it all the time.
bars = [[20, 9, 1, 1], [21, 9, 1, 1], [22, 9, 1, 1]];
for (const [ahead, question] of [[0, ''], [1_900_000, '?after=20'], [3_500_000, '?after=20'], [3_700_000, '']]) {
  const count = asked.length;
  await until('a question', () => {
    const then = Date.now() + ahead;
    current().says(status({ started_ms: 3000, now_ms: then, published_ms: then, last_message_ms: then }));
    return asked.length > count;
  });
  assert.equal(asked.at(-1), `${URL_}/api/history/A${question}`);
}
noWords();

// One that nobody can see yet does not connect before it is seen.
document.hidden = true;
const early = recorderAt('http://early.test');
const leaveEarly = early.subscribe(() => {});
assert.deepEqual([opened.length, early.read().word], [tries + 2, 'Connecting']);
turn(false);
assert.equal(current().url, 'http://early.test/api/events');
leaveEarly();
await until('the end', () => !current().isOpen);
turn(true);
turn(false);
assert.equal(current().url, `${URL_}/api/events`, 'who follows nothing has nothing to come back to');

// The last user takes the connection along; what is kept goes with it.
noMore();
stay();
await until('the end', () => !current().isOpen);
assert.equal(history.read().bars.length, 0);
assert.equal(recorder.read().connected, false);

// An address that is none is not asked.
const none = recorderAt('127.0.0.1:8787');
const count2 = opened.length;
const leaveNone = none.subscribe(() => {});
assert.match(none.read().notice, /no address of a recorder.*like http/);
assert.equal(opened.length, count2);
leaveNone();

// Without a browser there is no element, and importing it is no fault.
await load('trade-chart.js');

// Candles are put together by the rules of \`bars\`: late trades set open and close where no other does.
const { LENGTHS, lengthFor, putTogether, replaced } = await load('candles.js');
const [late, lot] = [[60, 1, 5, 6, 4, 5, 1, 1, true], [61, 1, null, null, null, null, 5, 1]];
const made = (list, length) => putTogether(list, length)
  .map(({ second, seconds, open, high, low, close, volume, trades }) => [second, seconds, open, high, low, close, volume, trades]);
assert.deepEqual(made([candle(59, 1, 1), late, lot, candle(65, 1, 3), [66, 1, 9, 9, 9, 9, 1, 1, true]], 60), [
  [0, 60, 1, 1, 1, 1, 1, 1], [60, 60, 3, 9, 3, 3, 8, 4],
]);
assert.deepEqual(made([late, [62, 1, 7, 8, 7, 8, 1, 1, true]], 10), [[60, 10, 5, 8, 4, 8, 2, 2]]);
assert.deepEqual(made([lot], 10), [[60, 10, null, null, null, null, 5, 1]]);
assert.deepEqual(putTogether([], 10), []);

// They are as long as is asked for, and no longer ones are cut.
for (const [list, least, length] of [
  [[], 0.2, 1], [[candle(60, 1, 1)], 7.8, 10], [[candle(60, 60, 1)], 7.8, 60], [[candle(900, 900, 1)], 601, 900],
  [[candle(0, 14400, 1)], 14401, 43200], [[candle(0, 604800, 1)], 9e9, 604800],
]) assert.equal(lengthFor(list, least), length);
for (const [place, length] of LENGTHS.entries()) {
  assert(length > (LENGTHS[place - 1] ?? 0) && (length % 86400 === 0 || 86400 % length === 0));
}

// A longer candle takes the place of those that it was made of.
const old = [candle(59, 1, 1), candle(60, 1, 2), candle(65, 1, 5), candle(120, 1, 1)];
assert.deepEqual(replaced(old, [candle(60, 60, 9)]), [old[0], candle(60, 60, 9), old[3]]);
assert.deepEqual(replaced([], old), old);
assert.equal(replaced(old, []), old);

console.log('recorder-client.js: all well');
process.exit(0);
