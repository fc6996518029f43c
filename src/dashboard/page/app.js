// The live page. It follows /api/events, fetches the chart's history second by second, and asks
// for changes of the list. Text from outside becomes text nodes only, never markup.

const SILENCE = 4000; // ms without an event, of four a second, until the program counts as gone
const RETRY = 1000; // ms until it is tried again
const OLD_MESSAGE = 90_000; // ms; Finnhub sends something every minute, also at night
const OLD_SNAPSHOT = 6000; // ms; the writer renews its numbers five times a second
const HISTORY_EVERY = 1000; // ms
const SPARKS_EVERY = 5000; // ms
const SORT_EVERY = 2000; // ms; rows that never rest cannot be read
const MOST_ROWS = 500;

const byId = (id) => document.getElementById(id);
const chart = byId('chart');
const rowsBody = byId('rows');

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const amount = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
const rateFormat = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const state = {
  status: null, // the last event, without its tickers
  heardAt: 0, // performance.now() of it
  triedAt: 0, // performance.now() of the last sign of life, or of the last try to get one
  tickers: new Map(), // symbol → ticker, in the program's order
  rows: new Map(), // symbol → row
  chosen: decodeHash(),
  sort: { by: null, down: false },
  gone: false,
  undo: null,
};

// ---- words ------------------------------------------------------------------------------------

/** Writes only what has changed: an untouched node costs nothing and keeps a person's selection. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function duration(ms) {
  const units = [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]];
  const total = Math.max(0, Math.floor(ms / 1000));
  const at = units.findIndex(([, length]) => total >= length);
  if (at < 0) return '0 s';
  const [unit, length] = units[at];
  const text = `${Math.floor(total / length)} ${unit}`;
  const next = units[at + 1];
  const rest = next ? Math.floor((total % length) / next[1]) : 0;
  return rest ? `${text} ${rest} ${next[0]}` : text;
}

function ago(ms) {
  return ms < 2000 ? 'just now' : `${duration(ms)} ago`;
}

/** The local time that was `ms` ago. A notice says since when, so that it is read out only once. */
function clockTime(ms) {
  return new Date(Math.round((Date.now() - ms) / 1000) * 1000).toLocaleTimeString();
}

function bytes(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let power = 0;
  let size = count;
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000;
    power += 1;
  }
  return `${size.toFixed(power && size < 100 ? 1 : 0)} ${units[power]}`;
}

function changeOf(ticker) {
  const [first, last] = [Number(ticker.first_price), Number(ticker.price)];
  return ticker.first_price !== null && first ? (last / first - 1) * 100 : null;
}

function percent(change) {
  if (change === null) return '–';
  const shown = Math.abs(change).toFixed(2);
  const sign = shown === '0.00' ? '' : change < 0 ? '−' : '+';
  return `${sign}${shown} %`;
}

function direction(change) {
  if (change === null || Math.abs(change) < 0.005) return '';
  return change < 0 ? 'down' : 'up';
}

function stateWord(ticker) {
  if (ticker.state === 'silent' && ticker.closed) return 'market closed';
  if (ticker.state === 'silent' && ticker.trades === 0) return 'never traded';
  return ticker.state;
}

function decodeHash() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null;
  }
}

/** The program's clock now; this machine's may be another one, and wrong. */
function serverNow() {
  return state.status.now_ms + (performance.now() - state.heardAt);
}

// ---- events -----------------------------------------------------------------------------------

let source = null;
let retryTimer = 0;

function connect() {
  clearTimeout(retryTimer);
  source?.close();
  state.triedAt = performance.now();
  source = new EventSource('/api/events');
  source.onmessage = (event) => hear(JSON.parse(event.data));
  source.onerror = lose;
}

function lose() {
  source?.close();
  source = null;
  state.gone = true;
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, RETRY);
  showFeed();
}

function hear(status) {
  const isBack = state.gone;
  const isAnother = state.status && state.status.started_ms !== status.started_ms;
  if (state.status && state.status.version !== status.version) location.reload();
  const { tickers, ...rest } = status;
  state.status = rest;
  state.heardAt = performance.now();
  state.triedAt = state.heardAt;
  state.gone = false;
  if (status.kind === 'snapshot') takeList(tickers);
  for (const ticker of tickers) {
    state.tickers.set(ticker.symbol, ticker);
    showRow(ticker);
  }
  if (isBack || isAnother) {
    fetchHistory(true);
    fetchSparks();
  }
  showNumbers();
  showChosen();
  showFeed();
}

function takeList(tickers) {
  const symbols = tickers.map((ticker) => ticker.symbol);
  const kept = new Set(symbols);
  for (const [symbol, row] of state.rows) {
    if (!kept.has(symbol)) {
      row.node.remove();
      state.rows.delete(symbol);
    }
  }
  state.tickers = new Map(tickers.map((ticker) => [ticker.symbol, ticker]));
  for (const symbol of symbols.slice(0, MOST_ROWS)) {
    if (!state.rows.has(symbol)) state.rows.set(symbol, makeRow(symbol));
  }
  say(byId('t-count'), String(symbols.length));
  byId('more').hidden = symbols.length <= MOST_ROWS;
  say(byId('more'), `${whole.format(symbols.length - MOST_ROWS)} more symbols are recorded and not shown.`);
  order();
  if (!kept.has(state.chosen)) choose(symbols[0] ?? null);
  else if (!chart.bars.length) choose(state.chosen);
}

// ---- what is true, and since when -------------------------------------------------------------

function showFeed() {
  const { status } = state;
  let [feed, word, notice] = ['connecting', 'Connecting', ''];
  if (state.gone) {
    [feed, word] = ['gone', 'Not running'];
    const since = state.status ? ` since ${clockTime(performance.now() - state.heardAt)}` : '';
    notice = `finnhub-stream has not answered${since}. This page comes back by itself when it does.`;
  } else if (status) {
    const age = serverNow() - (status.last_message_ms ?? status.started_ms);
    const trouble = status.disk_trouble;
    if (status.state === 'down') {
      [feed, word] = ['down', 'Down'];
      notice = `Nothing is being recorded: ${status.reason}. It is tried again by itself.`;
    } else if (status.state === 'connecting') {
      notice = status.reason ? `Connecting again after: ${status.reason}` : '';
    } else if (trouble || serverNow() - status.published_ms > OLD_SNAPSHOT) {
      [feed, word] = ['old', 'Waiting for the disk'];
      notice = `The file takes no rows${trouble ? `: ${trouble}` : ''}. Trades wait in memory.`;
    } else if (age > OLD_MESSAGE) {
      [feed, word] = ['old', 'No messages'];
      notice = `The server has said nothing since ${clockTime(age)}.`;
    } else {
      [feed, word] = ['live', 'Live'];
    }
  }
  document.body.dataset.feed = feed;
  say(byId('feed-word'), word);
  const node = byId('notice');
  if (notice) say(node, notice);
  node.classList.toggle('shown', notice !== '');
  chart.toggleAttribute('stale', feed === 'gone' || feed === 'old');
  const ticker = state.tickers.get(state.chosen);
  document.title = feed === 'live' && ticker?.price
    ? `${ticker.price} ${ticker.symbol} · finnhub-stream` : `${word} · finnhub-stream`;
}

function showNumbers() {
  const { status } = state;
  say(byId('n-trades'), whole.format(status.written));
  byId('n-trades').title =
    `received ${status.received} = written ${status.written} + rejected ${status.rejected} + dropped ${status.dropped}`;
  say(byId('n-rate'), `${rateFormat.format(status.trades_per_second)} /s`);
  say(byId('n-missing'), duration(status.missing_ms));
  byId('n-missing').classList.toggle('warned', status.missing_ms >= 1000);
  byId('n-missing').title = `${status.reconnects} reconnects`;
  say(byId('n-file'), status.out);
  byId('n-file').title = status.out;
  say(byId('n-bytes'), bytes(status.out_bytes));
  byId('demo').hidden = ![...state.tickers.keys()].some((symbol) => symbol.startsWith('DEMO:'));
}

function showAges() {
  const { status } = state;
  if (!status) return;
  const now = serverNow();
  say(byId('n-message'), status.last_message_ms === null ? 'none yet' : ago(now - status.last_message_ms));
  if (!state.gone) say(byId('n-uptime'), duration(now - status.started_ms));
  for (const [symbol, row] of state.rows) {
    const last = state.tickers.get(symbol)?.last_received_ms ?? null;
    say(row.age, last === null ? '–' : ago(now - last));
  }
  showFacts(now);
}

// ---- the table --------------------------------------------------------------------------------

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeRow(symbol) {
  const node = element('tr');
  node.dataset.symbol = symbol;
  const cells = ['trend', 'number last', 'number', 'number wide quiet', 'number wide quiet', 'number wide quiet', 'wide quiet', 'end']
    .map((className) => element('td', className));
  const [trend, price, change, trades, volume, age, word, end] = cells;
  const symbolCell = element('td');
  const pick = element('button', 'pick');
  pick.type = 'button';
  pick.title = symbol;
  const dot = element('span', 'dot');
  dot.setAttribute('aria-hidden', 'true');
  const spoken = element('span', 'hidden');
  // The venue is small print, but the whole text stays the symbol.
  const venue = symbol.slice(0, symbol.lastIndexOf(':') + 1);
  const name = element('span', 'name');
  name.append(element('span', 'venue', venue), element('span', '', symbol.slice(venue.length)));
  pick.append(dot, name, spoken);
  symbolCell.append(pick);
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 116 28');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  line.setAttribute('vector-effect', 'non-scaling-stroke');
  svg.append(line);
  trend.append(svg);
  const remove = element('button', 'remove', '×');
  remove.type = 'button';
  remove.title = `Remove ${symbol}`;
  remove.setAttribute('aria-label', `Remove ${symbol}`);
  end.append(remove);
  word.classList.add('word');
  node.append(symbolCell, ...cells);
  node.addEventListener('click', (event) => {
    if (!event.target.closest('.remove')) choose(symbol);
  });
  remove.addEventListener('click', () => removeSymbol(symbol));
  return { node, pick, spoken, price, change, trades, volume, age, word, svg, line, flashed: 0 };
}

function showRow(ticker) {
  const row = state.rows.get(ticker.symbol);
  if (!row) return;
  const before = row.price.textContent;
  say(row.price, ticker.price ?? '–');
  flash(row, before, ticker.price);
  const change = changeOf(ticker);
  say(row.change, percent(change));
  row.change.className = `number ${direction(change)}`;
  say(row.trades, whole.format(ticker.trades));
  say(row.volume, amount.format(ticker.volume));
  say(row.word, stateWord(ticker));
  say(row.spoken, ticker.state);
  row.node.dataset.state = ticker.state;
}

/** A price that moved shows it for a moment, at most once a second: eyes need rest. */
function flash(row, before, after) {
  const now = performance.now();
  const [from, to] = [Number(before), Number(after)];
  if (!(from > 0) || !(to > 0) || from === to || now - row.flashed < 1000) return;
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  row.flashed = now;
  const colour = getComputedStyle(document.body).getPropertyValue(to > from ? '--up' : '--down');
  row.price.animate([{ color: colour }, { color: getComputedStyle(document.body).color }], 900);
}

const sortKeys = {
  symbol: (ticker) => ticker.symbol,
  price: (ticker) => Number(ticker.price ?? -Infinity),
  change: (ticker) => changeOf(ticker) ?? -Infinity,
  trades: (ticker) => ticker.trades,
  volume: (ticker) => ticker.volume,
  age: (ticker) => -(ticker.last_received_ms ?? -Infinity),
  state: (ticker) => stateWord(ticker),
};

/** Puts the rows in their order; moves only what is elsewhere, so that focus stays. */
function order() {
  const tickers = [...state.tickers.values()];
  const key = sortKeys[state.sort.by];
  if (key) {
    const sign = state.sort.down ? -1 : 1;
    tickers.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      return a < b ? -sign : a > b ? sign : 0;
    });
  }
  const nodes = tickers.map((ticker) => state.rows.get(ticker.symbol)?.node).filter(Boolean);
  nodes.forEach((node, index) => {
    if (rowsBody.children[index] !== node) rowsBody.insertBefore(node, rowsBody.children[index] ?? null);
  });
}

/** Rows do not move under a hand that is about to click, nor under a keyboard's focus. */
function orderIfQuiet() {
  if (state.sort.by && !rowsBody.matches(':hover, :focus-within')) order();
}

for (const button of document.querySelectorAll('[data-sort]')) {
  button.addEventListener('click', () => {
    const by = button.dataset.sort;
    const isText = by === 'symbol' || by === 'state' || by === 'age';
    if (state.sort.by !== by) state.sort = { by, down: !isText };
    else if (state.sort.down !== isText) state.sort = { by, down: isText };
    else state.sort = { by: null, down: false };
    for (const other of document.querySelectorAll('[data-sort]')) {
      const isIt = other.dataset.sort === state.sort.by;
      const sorted = state.sort.down ? 'descending' : 'ascending';
      if (isIt) other.closest('th').setAttribute('aria-sort', sorted);
      else other.closest('th').removeAttribute('aria-sort');
    }
    order();
  });
}

function showSparks(sparks) {
  for (const [symbol, row] of state.rows) {
    const prices = sparks[symbol] ?? [];
    const known = prices.filter((price) => price !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const range = Math.max(high - low, Math.abs(high) * 0.0002, 1e-12);
    const middle = (low + high) / 2;
    // A beginning is shown large here too; a minute is the least.
    const begun = Math.min(prices.findIndex((price) => price !== null), prices.length - 12);
    const points = prices.flatMap((price, index) => {
      if (price === null) return [];
      const x = ((index - begun) / (prices.length - 1 - begun)) * 116;
      return [`${x.toFixed(1)},${(14 - ((price - middle) / range) * 22).toFixed(1)}`];
    });
    row.line.setAttribute('points', points.join(' '));
    const change = known.length ? (known.at(-1) / known[0] - 1) * 100 : null;
    row.svg.setAttribute('class', `spark ${direction(change)}`);
  }
}

// ---- the chart --------------------------------------------------------------------------------

function choose(symbol) {
  state.chosen = symbol;
  // Not in the browser's history: choosing is looking, not going somewhere.
  if (symbol !== null) history.replaceState(null, '', `#${encodeURIComponent(symbol)}`);
  chart.setAttribute('label', symbol ?? '');
  chart.price = null;
  chart.bars = [];
  say(byId('c-symbol'), symbol ?? '–');
  showChosen();
  showFeed();
  fetchHistory(true);
}

function showChosen() {
  for (const [symbol, row] of state.rows) {
    const isChosen = symbol === state.chosen;
    row.node.classList.toggle('chosen', isChosen);
    row.pick.setAttribute('aria-pressed', String(isChosen));
  }
  const ticker = state.tickers.get(state.chosen);
  const change = ticker ? changeOf(ticker) : null;
  say(byId('c-price'), ticker?.price ?? '–');
  say(byId('c-change'), change === null ? '' : percent(change));
  byId('c-change').className = `change ${direction(change)}`;
  byId('c-change').title = 'since the start';
  if (!state.status) return;
  chart.now = serverNow();
  chart.price = ticker?.price ?? null;
}

function showFacts(now) {
  const ticker = state.tickers.get(state.chosen);
  if (!ticker) return say(byId('c-facts'), '');
  const parts = [stateWord(ticker), `${whole.format(ticker.trades)} trades`, `volume ${amount.format(ticker.volume)}`];
  if (parts[0] === 'never traded') parts[0] += ` since ${clockTime(now - ticker.wanted_since_ms)}`;
  if (ticker.last_received_ms !== null) parts.push(`last trade ${ago(now - ticker.last_received_ms)}`);
  return say(byId('c-facts'), parts.join(' · '));
}

/** JSON, or null while the program is gone or does not know what is asked for. */
async function getJson(address) {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(SILENCE) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

let historyBusy = false;

async function fetchHistory(fromTheBeginning) {
  const symbol = state.chosen;
  if (symbol === null || state.gone || (historyBusy && !fromTheBeginning)) return;
  historyBusy = true;
  // The last two bars again: the program may have added to them since.
  const known = fromTheBeginning ? null : chart.bars.at(-3);
  const after = known ? `?after=${known[0]}` : '';
  const answer = await getJson(`/api/history/${encodeURIComponent(symbol)}${after}`);
  historyBusy = false;
  if (!answer || symbol !== state.chosen) return;
  chart.gaps = answer.gaps;
  if (known) chart.merge(answer.bars);
  else chart.bars = answer.bars;
}

async function fetchSparks() {
  if (state.gone) return;
  const answer = await getJson('/api/sparks');
  if (answer) showSparks(answer.sparks);
}

for (const radio of document.querySelectorAll('[name="span"]')) {
  if (radio.value === sessionStorage.getItem('span')) radio.checked = true;
  const use = () => {
    if (radio.checked) chart.setAttribute('span', radio.value);
  };
  use();
  radio.addEventListener('change', () => {
    sessionStorage.setItem('span', radio.value);
    use();
  });
}

// ---- changing the list ------------------------------------------------------------------------

function answer(text, isRefusal, undo) {
  byId('answer').classList.toggle('refused', isRefusal);
  byId('answer-text').textContent = text;
  state.undo = undo ?? null;
  byId('undo').hidden = !undo;
}

/** Asks for a change; gives what is wrong, or null. */
async function ask(method, symbol) {
  try {
    const reply = await fetch(`/api/tickers/${encodeURIComponent(symbol)}`, {
      method, signal: AbortSignal.timeout(SILENCE),
    });
    const body = await reply.json();
    return reply.ok ? null : String(body.error);
  } catch {
    return 'finnhub-stream does not answer';
  }
}

async function addSymbols(symbols) {
  const added = [];
  for (const symbol of symbols) {
    const fault = await ask('PUT', symbol);
    if (fault) {
      answer(`${symbol}: ${fault}`, true);
      return false;
    }
    added.push(symbol);
  }
  answer(`${added.join(', ')} added`, false);
  return true;
}

async function removeSymbol(symbol) {
  const row = state.rows.get(symbol)?.node;
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  const hadFocus = row?.contains(document.activeElement);
  const fault = await ask('DELETE', symbol);
  if (fault) {
    answer(fault.startsWith(symbol) ? fault : `${symbol}: ${fault}`, true);
    return;
  }
  if (hadFocus) (next?.querySelector('.pick') ?? byId('add-symbol')).focus();
  answer(`${symbol} removed`, false, symbol);
}

byId('add').addEventListener('submit', async (event) => {
  event.preventDefault();
  const input = byId('add-symbol');
  const symbols = input.value.split(',').map((symbol) => symbol.trim()).filter(Boolean);
  if (symbols.length && (await addSymbols(symbols))) input.value = '';
  input.focus();
});

byId('undo').addEventListener('click', () => {
  const symbol = state.undo;
  byId('add-symbol').focus();
  if (symbol !== null) addSymbols([symbol]);
});

// ---- the clock of the page --------------------------------------------------------------------

setInterval(() => {
  if (source && performance.now() - state.triedAt > SILENCE) lose();
  showAges();
  showFeed();
}, 500);
setInterval(() => fetchHistory(false), HISTORY_EVERY);
setInterval(fetchSparks, SPARKS_EVERY);
setInterval(orderIfQuiet, SORT_EVERY);

window.addEventListener('hashchange', () => {
  const symbol = decodeHash();
  if (state.tickers.has(symbol) && symbol !== state.chosen) choose(symbol);
});

connect();
setTimeout(fetchSparks, 600);
