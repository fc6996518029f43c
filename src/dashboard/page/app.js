// The live page: shows what recorder-client.js follows, and asks for changes of the list. Text from
// outside becomes text nodes only, never markup.

import { amount, ago, changeOf, clockTime, direction, duration, percent, sinceStart, spark, SPARK, stateWord, venueAndName, whole } from './format.js';
import { recorderAt } from './recorder-client.js';

const SILENCE = 4000; // ms until a change that was asked for counts as not answered
const SORT_EVERY = 2000; // ms; rows that never rest cannot be read
const AGES_EVERY = 500; // ms
const FLASH = 700; // ms that a price which moved shows it
const MOST_ROWS = 500;

const byId = (id) => document.getElementById(id);
const chart = byId('chart');
const rowsBody = byId('rows');
// It loads itself again when another program answers. What a cache gives then may be as old as this.
const recorder = recorderAt('', { remedy: 'Load this page again, without what the browser has kept: Ctrl+Shift+R.' });

const rateFormat = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

const page = {
  version: '',
  symbols: [], // in the program's order
  shown: new Map(), // symbol → the ticker that its row shows
  rows: new Map(), // symbol → row
  chosen: decodeHash(),
  leave: null, // ends following the chosen symbol's history
  sort: { by: null, down: false },
  undo: null,
};

/** Writes only what has changed: an untouched node costs nothing and keeps a person's selection. */
function say(node, text) {
  const written = node.firstChild;
  if (!written) node.textContent = text;
  else if (written.data !== text) written.data = text;
}

function look(node, className) {
  if (node.className !== className) node.className = className;
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

function decodeHash() {
  try {
    return decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    return null;
  }
}

// ---- what the recorder says -------------------------------------------------------------------

function showState() {
  const state = recorder.read();
  // Another program than the one that this page came from.
  if (page.version && state.version && page.version !== state.version) location.reload();
  page.version ||= state.version;
  if (state.connected) {
    takeList(state.tickers);
    for (const ticker of state.tickers) showRow(ticker);
    showNumbers(state);
    showChosen();
  }
  showFeed(state);
}

function takeList(tickers) {
  const isSame = tickers.length === page.symbols.length
    && tickers.every((ticker, index) => ticker.symbol === page.symbols[index]);
  // A recorder that has just started has no list yet; the old one and the choice stay until then.
  if (isSame || !tickers.length) return;
  page.symbols = tickers.map((ticker) => ticker.symbol);
  const kept = new Set(page.symbols);
  for (const [symbol, row] of page.rows) {
    if (!kept.has(symbol)) {
      row.node.remove();
      page.rows.delete(symbol);
      page.shown.delete(symbol);
    }
  }
  for (const symbol of page.symbols.slice(0, MOST_ROWS)) {
    if (!page.rows.has(symbol)) page.rows.set(symbol, makeRow(symbol));
  }
  say(byId('t-count'), String(page.symbols.length));
  byId('more').hidden = page.symbols.length <= MOST_ROWS;
  say(byId('more'), `${whole.format(page.symbols.length - MOST_ROWS)} more symbols are recorded and not shown.`);
  byId('demo').hidden = !page.symbols.some((symbol) => symbol.startsWith('DEMO:'));
  order();
  if (!kept.has(page.chosen)) choose(page.symbols[0] ?? null);
  else if (!page.leave) choose(page.chosen);
}

function showFeed({ feed, word, notice }) {
  document.body.dataset.feed = feed;
  say(byId('feed-word'), word);
  say(byId('notice'), notice);
  byId('notice').classList.toggle('shown', notice !== '');
  chart.toggleAttribute('stale', feed === 'gone' || feed === 'old');
  document.title = [titleOf(feed, word), 'finnhub-stream'].filter(Boolean).join(' · ');
}

/** A hidden tab follows nothing: its title names the symbol, and neither price nor state. */
function titleOf(feed, word) {
  const ticker = recorder.ticker(page.chosen);
  if (document.hidden) return ticker?.symbol;
  return feed === 'live' && ticker?.price ? `${ticker.price} ${ticker.symbol}` : word;
}

function showNumbers(state) {
  say(byId('n-trades'), whole.format(state.written));
  byId('n-trades').title =
    `received ${state.received} = written ${state.written} + rejected ${state.rejected} + dropped ${state.dropped}`;
  say(byId('n-rate'), `${rateFormat.format(state.trades_per_second)} /s`);
  say(byId('n-missing'), duration(state.missing_ms));
  byId('n-missing').classList.toggle('warned', state.missing_ms >= 1000);
  byId('n-missing').title = `${state.reconnects} reconnects`;
  say(byId('n-file'), state.out);
  byId('n-file').title = state.out;
  say(byId('n-bytes'), bytes(state.out_bytes));
}

function showAges() {
  const state = recorder.read();
  if (!state.version) return;
  const now = recorder.now();
  say(byId('n-message'), state.last_message_ms === null ? 'none yet' : ago(now - state.last_message_ms));
  if (state.connected) {
    say(byId('n-uptime'), duration(now - state.started_ms));
    say(byId('t-since'), sinceStart(now - state.started_ms));
  }
  for (const [symbol, row] of page.rows) {
    const last = recorder.ticker(symbol)?.last_received_ms ?? null;
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
  // The whole text stays the symbol.
  const [venue, rest] = venueAndName(symbol);
  const name = element('span', 'name');
  name.append(element('span', 'venue', venue), element('span', '', rest));
  pick.append(dot, name, spoken);
  symbolCell.append(pick);
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', `0 0 ${SPARK.width} ${SPARK.height}`);
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
  const row = { symbol, node, pick, spoken, price, change, trades, volume, age, word, line, flashed: 0 };
  markIfChosen(row);
  return row;
}

function markIfChosen({ symbol, node, pick }) {
  node.classList.toggle('chosen', symbol === page.chosen);
  pick.setAttribute('aria-pressed', String(symbol === page.chosen));
}

function showRow(ticker) {
  const row = page.rows.get(ticker.symbol);
  if (!row) return;
  const before = page.shown.get(ticker.symbol);
  flash(row, before?.price, ticker.price);
  if (before === ticker) return;
  page.shown.set(ticker.symbol, ticker);
  say(row.price, ticker.price ?? '–');
  const change = changeOf(ticker);
  say(row.change, percent(change));
  look(row.change, `number ${direction(change)}`);
  say(row.trades, whole.format(ticker.trades));
  say(row.volume, amount.format(ticker.volume));
  say(row.word, stateWord(ticker));
  say(row.spoken, ticker.state);
  if (row.node.dataset.state !== ticker.state) row.node.dataset.state = ticker.state;
}

/**
 * A price that moved shows it for a moment, without a colour of up or down: the change beside it is of
 * another span of time. No animation: with fifty symbols it would paint the page sixty times a second.
 */
function flash(row, before, after) {
  const now = performance.now();
  const [from, to] = [Number(before), Number(after)];
  if (from > 0 && to > 0 && from !== to && now - row.flashed > 2 * FLASH) {
    row.flashed = now;
    row.price.className = 'number last moved';
  } else if (row.flashed && now - row.flashed > FLASH) row.price.className = 'number last';
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
  const tickers = [...recorder.read().tickers];
  const key = sortKeys[page.sort.by];
  if (key) {
    const sign = page.sort.down ? -1 : 1;
    tickers.sort((one, other) => {
      const [a, b] = [key(one), key(other)];
      return a < b ? -sign : a > b ? sign : 0;
    });
  }
  const nodes = tickers.map((ticker) => page.rows.get(ticker.symbol)?.node).filter(Boolean);
  nodes.forEach((node, index) => {
    if (rowsBody.children[index] !== node) rowsBody.insertBefore(node, rowsBody.children[index] ?? null);
  });
}

/** Rows do not move under a hand that is about to click, nor under a keyboard's focus. */
function orderIfQuiet() {
  if (page.sort.by && !rowsBody.matches(':hover, :focus-within')) order();
}

for (const button of document.querySelectorAll('[data-sort]')) {
  button.addEventListener('click', () => {
    const by = button.dataset.sort;
    const isText = by === 'symbol' || by === 'state' || by === 'age';
    if (page.sort.by !== by) page.sort = { by, down: !isText };
    else if (page.sort.down !== isText) page.sort = { by, down: isText };
    else page.sort = { by: null, down: false };
    for (const other of document.querySelectorAll('[data-sort]')) {
      const isIt = other.dataset.sort === page.sort.by;
      const sorted = page.sort.down ? 'descending' : 'ascending';
      if (isIt) other.closest('th').setAttribute('aria-sort', sorted);
      else other.closest('th').removeAttribute('aria-sort');
    }
    order();
  });
}

function showSparks() {
  const sparks = recorder.sparks().read();
  for (const [symbol, row] of page.rows) {
    row.line.setAttribute('points', spark(sparks[symbol] ?? []));
  }
}

// ---- the chart --------------------------------------------------------------------------------

function choose(symbol) {
  page.chosen = symbol;
  page.leave?.();
  page.leave = null;
  chart.setAttribute('label', symbol ?? '');
  say(byId('c-symbol'), symbol ?? '–');
  for (const row of page.rows.values()) markIfChosen(row);
  if (symbol !== null) {
    // Not in the browser's history: choosing is looking, not going somewhere.
    history.replaceState(null, '', `#${encodeURIComponent(symbol)}`);
    const followed = recorder.history(symbol);
    const show = () => {
      const { bars, candles, gaps } = followed.read();
      Object.assign(chart, { bars, candles, gaps });
    };
    page.leave = followed.subscribe(show);
    // The same symbol again: what is known of it does not come once more.
    show();
  } else {
    Object.assign(chart, { bars: [], candles: [] });
  }
  showChosen();
  showFeed(recorder.read());
}

function showChosen() {
  const ticker = recorder.ticker(page.chosen);
  const change = ticker ? changeOf(ticker) : null;
  say(byId('c-price'), ticker?.price ?? '–');
  say(byId('c-change'), change === null ? '' : percent(change));
  look(byId('c-change'), `change ${direction(change)}`);
  byId('c-change').title = byId('t-since').textContent.toLowerCase();
  chart.now = recorder.read().now_ms;
  chart.price = ticker?.price ?? null;
}

function showFacts(now) {
  const ticker = recorder.ticker(page.chosen);
  if (!ticker) return say(byId('c-facts'), '');
  const { feed, word } = recorder.read();
  const state = feed === 'live' ? stateWord(ticker) : word.toLowerCase();
  const parts = [state, `${whole.format(ticker.trades)} trades`, `volume ${amount.format(ticker.volume)}`];
  if (parts[0] === 'never traded') parts[0] += ` since ${clockTime(now - ticker.wanted_since_ms)}`;
  if (ticker.last_received_ms !== null) parts.push(`last trade ${ago(now - ticker.last_received_ms)}`);
  return say(byId('c-facts'), parts.join(' · '));
}

/** What is chosen of these stays chosen, in this browser. */
for (const name of ['type', 'span']) {
  for (const radio of document.querySelectorAll(`[name="${name}"]`)) {
    if (radio.value === localStorage.getItem(name)) radio.checked = true;
    const use = () => {
      if (radio.checked) chart.setAttribute(name, radio.value);
    };
    use();
    radio.addEventListener('change', () => {
      localStorage.setItem(name, radio.value);
      use();
    });
  }
}

// ---- changing the list ------------------------------------------------------------------------

function answer(text, isRefusal, undo) {
  byId('answer').classList.toggle('refused', isRefusal);
  byId('answer-text').textContent = text;
  page.undo = undo ?? null;
  byId('undo').hidden = !undo;
}

/** Asks for a change; gives what is odd about it, or what is wrong. */
async function ask(method, symbol) {
  try {
    const reply = await fetch(`/api/tickers/${encodeURIComponent(symbol)}`, {
      method, signal: AbortSignal.timeout(SILENCE),
    });
    const body = await reply.json();
    return reply.ok ? { warnings: body.warnings } : { fault: String(body.error) };
  } catch {
    return { fault: 'finnhub-stream does not answer' };
  }
}

async function addSymbols(symbols) {
  const said = [];
  const added = [];
  for (const symbol of symbols) {
    const isListed = [symbol, `DEMO:${symbol}`].some((name) => page.rows.has(name));
    const { fault, warnings = [] } = await ask('PUT', symbol);
    if (fault) {
      answer(`${symbol}: ${fault}`, true);
      return false;
    }
    if (isListed) said.push(`${symbol} is on the list already`);
    else added.push(symbol);
    said.push(...warnings);
  }
  if (added.length) said.unshift(`${added.join(', ')} added`);
  answer(said.join('; '), false);
  return true;
}

async function removeSymbol(symbol) {
  const row = page.rows.get(symbol)?.node;
  const next = row?.nextElementSibling ?? row?.previousElementSibling;
  const hadFocus = row?.contains(document.activeElement);
  const { fault } = await ask('DELETE', symbol);
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
  const symbol = page.undo;
  byId('add-symbol').focus();
  if (symbol !== null) addSymbols([symbol]);
});

// ---- the clock of the page --------------------------------------------------------------------

recorder.subscribe(showState);
recorder.sparks().subscribe(showSparks);
setInterval(showAges, AGES_EVERY);
setInterval(orderIfQuiet, SORT_EVERY);

document.addEventListener('visibilitychange', () => showFeed(recorder.read()));
window.addEventListener('hashchange', () => {
  const symbol = decodeHash();
  if (recorder.ticker(symbol) && symbol !== page.chosen) choose(symbol);
});
