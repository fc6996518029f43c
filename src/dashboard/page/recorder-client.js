/**
 * Follows finnhub-stream's dashboard: the state of the recorder by server-sent events, and the
 * history of its symbols. The page and the React package stand on this file; it needs candles.js and format.js.
 *
 *   const recorder = recorderAt('http://127.0.0.1:8787');
 *   const leave = recorder.subscribe(() => console.log(recorder.read().tickers));
 *
 * A recorder has one connection, however many follow it. It is opened for the first who subscribes,
 * opened again whenever it is lost, and closed after the last one has left. A page that nobody can see
 * has none: a browser opens six to one address, for all its tabs together. Until such a page is seen
 * again, everything stays as it was; then the whole state comes, and the history of the time between.
 * What `read` gives is never changed afterwards; what is new is a new object.
 */

import { replaced } from './candles.js';
import { clockTime } from './format.js';

const VERSION = '0.0.0'; // of the program that this file comes from

const SILENCE = 4000; // ms without an event, of four a second, until the recorder counts as gone
const RETRY = 1000; // ms until it is tried again
const LOOK_EVERY = 500; // ms; whether what is shown has become old
const OLD_MESSAGE = 90_000; // ms; Finnhub sends something every minute, also at night
const OLD_SNAPSHOT = 6000; // ms; the writer renews its numbers every two seconds at least
const HISTORY_EVERY = 1000; // ms; a bar is a second
const SPARKS_EVERY = 5000; // ms; as far apart as their points
const WHOLE_HISTORY_EVERY = 3_600_000; // ms; the recorder makes longer bars of old ones, and so must we

/**
 * After these the page may have become visible or hidden; the last two when it is left by a link, and
 * when the way back shows it as it was.
 */
const VISIBILITY_EVENTS = [
  [globalThis.document, 'visibilitychange'], [globalThis, 'pagehide'], [globalThis, 'pageshow'],
];

/** What is known of a recorder that has not answered yet. The fields are those of /api/status. */
export const NO_STATE = Object.freeze({
  connected: false, stale: true, feed: 'connecting', word: 'Connecting', notice: '',
  version: '', now_ms: 0, started_ms: 0, published_ms: 0,
  state: 'connecting', reason: '', disk_trouble: null, last_message_ms: null,
  received: 0, written: 0, rejected: 0, dropped: 0, unreadable: 0, trades_per_second: 0,
  reconnects: 0, missing_ms: 0, waiting_bytes: 0, out: '', out_bytes: 0, us_market: 'closed',
  tickers: Object.freeze([]),
});
export const NO_HISTORY = Object.freeze({
  bars: Object.freeze([]), candles: Object.freeze([]), gaps: Object.freeze([]), error: '',
});
export const NO_SPARKS = Object.freeze({});

/** A value that is kept up for as long as somebody wants to know it. */
class Followed {
  #listeners = new Set();
  #running = false;

  constructor(none) {
    this.none = none;
    this.value = none;
  }

  read = () => this.value;

  /** Calls `listener` after each change; gives what ends that. */
  subscribe = (listener) => {
    const entry = () => listener(); // the same listener may come twice
    this.#listeners.add(entry);
    if (!this.#running) {
      this.#running = true;
      this.start();
    }
    return () => {
      this.#listeners.delete(entry);
      // Not at once: who leaves may come back in the same breath, as React's StrictMode does.
      setTimeout(() => {
        if (!this.#running || this.#listeners.size) return;
        this.#running = false;
        this.stop();
        this.value = this.none;
      });
    };
  };

  tell(value) {
    this.value = value;
    for (const listener of this.#listeners) listener();
  }
}

/** Whether both versions are of one kind: the same up to the first number that is not 0. */
function fits(one, other) {
  const kind = (version) => /^(0\.)*\d+/.exec(version)?.[0];
  return kind(one) === kind(other);
}

class Recorder extends Followed {
  #base;
  #version; // that its user is made for
  #remedy; // what its user is to do about another one
  #source = null;
  #heardAt = 0; // performance.now() of the last event
  #triedAt = 0; // of the last event or try
  #hasBeenHeard = false;
  #isLost = false; // until the next event
  #isActive = false; // somebody follows, and the page is visible
  #pausedAt = null; // performance.now() when the page was hidden; null once it is heard or lost again
  #retry = 0;
  #looking = 0;
  #tickers = new Map();
  #histories = new Map();
  #sparks = null;

  constructor(base, version, remedy) {
    super(NO_STATE);
    this.#base = base;
    this.#version = version;
    this.#remedy = remedy ?? `Run: npm install ${base}/react.tgz`;
  }

  start() {
    for (const [target, event] of VISIBILITY_EVENTS) target?.addEventListener?.(event, this.#followIfVisible);
    this.#followIfVisible();
  }

  stop() {
    for (const [target, event] of VISIBILITY_EVENTS) target?.removeEventListener?.(event, this.#followIfVisible);
    this.#disconnect();
    this.#isLost = false;
    this.#pausedAt = null;
  }

  /** The recorder's clock now, in UNIX milliseconds; this machine's may be wrong. */
  now() {
    return this.value.now_ms + ((this.#pausedAt ?? performance.now()) - this.#heardAt);
  }

  ticker(symbol) {
    return this.#tickers.get(symbol);
  }

  /** The past of a symbol, as {bars, candles, gaps, error}. */
  history(symbol) {
    if (!this.#histories.has(symbol)) this.#histories.set(symbol, new History(this, symbol));
    return this.#histories.get(symbol);
  }

  /** The prices of the last five minutes, by symbol. */
  sparks() {
    this.#sparks ??= new Sparks(this);
    return this.#sparks;
  }

  address(path) {
    return this.#base + path;
  }

  /** Connects when the page becomes visible, and lets go of the connection when it is hidden. */
  #followIfVisible = (event) => {
    // A page that is being left by a link is not hidden yet.
    const isVisible = event?.type !== 'pagehide' && !globalThis.document?.hidden;
    if (isVisible === this.#isActive) return;
    if (!isVisible) {
      this.#disconnect();
      this.#pausedAt ??= performance.now();
      return;
    }
    this.#isActive = true;
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY);
    this.#connect();
  };

  #disconnect() {
    this.#isActive = false;
    clearInterval(this.#looking);
    clearTimeout(this.#retry);
    this.#source?.close();
  }

  #connect() {
    if (!this.#base.startsWith('http')) return this.#lose();
    this.#triedAt = performance.now();
    this.#source = new EventSource(this.address('/api/events'));
    this.#source.onmessage = (event) => this.#hear(event.data);
    // It would try again by itself, but not after an answer such as a proxy's 502.
    this.#source.onerror = () => this.#lose();
    return undefined;
  }

  #lose() {
    this.#source?.close();
    this.#isLost = true;
    this.#pausedAt = null;
    this.#triedAt = Infinity;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), RETRY);
    this.#show(this.value);
  }

  #hear(text) {
    let status;
    try {
      status = JSON.parse(text);
    } catch {
      status = null;
    }
    if (!Array.isArray(status?.tickers)) return this.#lose();
    this.#hasBeenHeard = true;
    this.#isLost = false;
    this.#pausedAt = null;
    this.#heardAt = performance.now();
    this.#triedAt = this.#heardAt;
    const { kind, tickers, ...rest } = status;
    if (kind === 'snapshot') this.#tickers = new Map();
    for (const ticker of tickers) this.#tickers.set(ticker.symbol, ticker);
    return this.#show({ ...NO_STATE, ...rest, tickers: [...this.#tickers.values()] });
  }

  #look() {
    if (performance.now() - this.#triedAt > SILENCE) this.#lose();
    const { feed, notice } = this.#judge(this.value);
    if (feed !== this.value.feed || notice !== this.value.notice) this.#show(this.value);
  }

  #show(state) {
    const { feed, word, notice } = this.#judge(state);
    const connected = state.version !== '' && feed !== 'gone';
    this.tell({ ...state, connected, stale: feed !== 'live', feed, word, notice });
  }

  /** Whether what is shown is true, in a word, and if not why, in a sentence. */
  #judge(state) {
    const is = (feed, word, notice = '') => ({ feed, word, notice });
    if (this.#isLost) return is('gone', 'Not running', this.#whyGone());
    if (!state.version) return is('connecting', 'Connecting');
    if (!fits(this.#version, state.version)) {
      const other = `The recorder at ${this.#base} is finnhub-stream ${state.version}, and this is made for ${this.#version}.`;
      return is('gone', 'Another version', `${other} ${this.#remedy}`);
    }
    const now = this.now();
    const age = now - (state.last_message_ms ?? state.started_ms);
    const trouble = state.disk_trouble;
    if (state.state === 'down') {
      return is('down', 'Down', `Nothing is being recorded: ${state.reason}. finnhub-stream tries again by itself.`);
    }
    if (state.state === 'connecting') {
      return is('connecting', 'Connecting', state.reason && `Connecting again after: ${state.reason}`);
    }
    if (trouble || now - state.published_ms > OLD_SNAPSHOT) {
      return is('old', 'Waiting for the disk', `The file takes no rows${trouble ? `: ${trouble}` : ''}. Trades wait in memory.`);
    }
    if (age > OLD_MESSAGE) {
      return is('old', 'No messages', `The server has said nothing since ${clockTime(age)}.`);
    }
    return is('live', 'Live');
  }

  #whyGone() {
    if (this.#hasBeenHeard) {
      const since = clockTime(performance.now() - this.#heardAt);
      return `finnhub-stream has not answered since ${since}. This goes on by itself when it does.`;
    }
    if (!this.#base.startsWith('http')) {
      return `${this.#base} is no address of a recorder. Give one like http://127.0.0.1:8787`;
    }
    const here = globalThis.location?.origin;
    const option = this.#base.startsWith(here) ? '' : ` --dashboard-origin ${here}`;
    return `No finnhub-stream answers at ${this.#base}. Start it with: --dashboard${option}`;
  }
}

/** Something that is asked for again and again while the recorder is there. */
class Asked extends Followed {
  #every;
  #leave = null;
  #askedAt = -Infinity;
  #asking = null;

  constructor(recorder, every, none) {
    super(none);
    this.recorder = recorder;
    this.#every = every;
  }

  start() {
    this.#leave = this.recorder.subscribe(() => this.#look());
    this.#look();
  }

  stop() {
    this.#leave();
    this.#asking?.abort();
    this.#asking = null;
    this.#askedAt = -Infinity;
  }

  async #look() {
    const isTime = performance.now() - this.#askedAt >= this.#every;
    const isSeen = !globalThis.document?.hidden;
    if (!isTime || !isSeen || this.#asking || !this.recorder.read().connected) return;
    const path = this.path();
    if (path === null) return;
    this.#askedAt = performance.now();
    const asking = new AbortController();
    this.#asking = asking;
    const timer = setTimeout(() => asking.abort(), SILENCE);
    let answer = null;
    try {
      const reply = await fetch(this.recorder.address(path), { signal: asking.signal });
      answer = { ok: reply.ok, body: await reply.json() };
    } catch {
      // The recorder's own state says what is wrong; it is asked again.
    }
    clearTimeout(timer);
    if (this.#asking !== asking) return; // nobody wants to know any more
    this.#asking = null;
    if (answer) this.take(answer);
  }
}

/** The first position in sorted `bars` whose second is not below `second`. */
function positionOf(bars, second) {
  const back = bars.findLastIndex((bar) => bar[0] < second); // it is near the end
  return back + 1;
}

class History extends Asked {
  #symbol;
  #asked = {}; // what was true when the last question was asked
  #known = {}; // and what was true for the last answer
  #after = null; // the second from which on it asks

  constructor(recorder, symbol) {
    super(recorder, HISTORY_EVERY, NO_HISTORY);
    this.#symbol = symbol;
  }

  stop() {
    super.stop();
    this.#known = {};
  }

  /**
   * Asks only when something has changed; from the beginning when the recorder began anew, and now and
   * then: it makes longer bars of old ones.
   */
  path() {
    const { now_ms: at, started_ms: started, missing_ms: missing, tickers } = this.recorder.read();
    if (!tickers.length) return null; // just started; the list is soon there
    const trades = this.recorder.ticker(this.#symbol)?.trades ?? -1;
    const known = this.#known;
    const isSame = started === known.started;
    if (isSame && trades === known.trades && missing === known.missing) return null;
    const isRecent = at - known.wholeAt < WHOLE_HISTORY_EVERY;
    const goesOn = isSame && trades >= known.trades && isRecent && !this.value.error;
    // The last two bars again: the recorder may have added to them since.
    this.#after = goesOn ? this.value.bars.at(-3)?.[0] ?? null : null;
    this.#asked = { started, trades, missing, wholeAt: this.#after === null ? at : known.wholeAt };
    const path = `/api/history/${encodeURIComponent(this.#symbol)}`;
    return this.#after === null ? path : `${path}?after=${this.#after}`;
  }

  take({ ok, body }) {
    this.#known = this.#asked;
    if (!ok || !Array.isArray(body?.bars) || !Array.isArray(body.candles)) {
      const error = String(body?.error ?? `${this.#symbol}: the recorder answers something else`);
      this.tell({ ...this.value, error });
      return;
    }
    const { bars: later, candles, gaps } = body;
    const old = this.#after === null ? NO_HISTORY : this.value;
    const kept = later.length ? old.bars.slice(0, positionOf(old.bars, later[0][0])) : old.bars;
    this.tell({ bars: kept.concat(later), candles: replaced(old.candles, candles), gaps, error: '' });
  }
}

class Sparks extends Asked {
  constructor(recorder) {
    super(recorder, SPARKS_EVERY, NO_SPARKS);
  }

  path() {
    return '/api/sparks';
  }

  take({ ok, body }) {
    if (ok && body?.sparks) this.tell(body.sparks);
  }
}

const recorders = new Map();

/**
 * The recorder whose dashboard is at `url`, the same one for everybody who asks. '' is where the
 * page itself comes from. One of another kind than `version` is not taken for one's own, and `remedy` says
 * what to do then.
 */
export function recorderAt(url, { version = VERSION, remedy = null } = {}) {
  let base = String(url).replace(/\/+$/, '');
  try {
    base = new URL(base || '/', globalThis.location?.href).href.replace(/\/+$/, '');
  } catch {
    // It stays as it is, and the state says that nobody answers there.
  }
  if (!recorders.has(base)) recorders.set(base, new Recorder(base, version, remedy));
  return recorders.get(base);
}
