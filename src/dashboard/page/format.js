/** Numbers, times and states in words: the same on the page and in the React package. */

export const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
export const amount = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });

export function duration(ms) {
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

// One clock everywhere: 24 hours; where seconds count, also whose time it is.
const time = (options) => new Intl.DateTimeFormat(undefined, { hourCycle: 'h23', ...options });
const CLOCK = time({ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' });
const MINUTES = time({ hour: '2-digit', minute: '2-digit' });
const DAY = time({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });

/** The local time that was `ms` ago. A notice says since when, so that it is read out only once. */
export function clockTime(ms) {
  return CLOCK.format(Math.round((Date.now() - ms) / 1000) * 1000);
}

/** Since when changes are counted: the local time that was `ms` ago, with its day when that was earlier. */
export function sinceStart(ms) {
  const start = Math.round((Date.now() - ms) / 1000) * 1000;
  const isToday = new Date(start).toDateString() === new Date().toDateString();
  return `Since ${(isToday ? MINUTES : DAY).format(start)}`;
}

export function ago(ms) {
  return ms < 2000 ? 'just now' : `${duration(ms)} ago`;
}

/** The change of a ticker since its first price, in percent; null before that. */
export function changeOf(ticker) {
  const [first, last] = [Number(ticker.first_price), Number(ticker.price)];
  return ticker.first_price !== null && first ? (last / first - 1) * 100 : null;
}

export function percent(change) {
  if (change === null) return '–';
  const shown = Math.abs(change).toFixed(2);
  const sign = shown === '0.00' ? '' : change < 0 ? '−' : '+';
  return `${sign}${shown} %`;
}

/** Which way a change goes, as far as its two decimals show it. */
export function direction(change) {
  if (change === null || Math.abs(change) < 0.005) return '';
  return change < 0 ? 'down' : 'up';
}

export function stateWord(ticker) {
  if (ticker.state === 'silent' && ticker.closed) return 'market closed';
  if (ticker.state === 'silent' && ticker.night) return 'quiet (night)';
  if (ticker.state === 'silent' && ticker.trades === 0) return 'never traded';
  return ticker.state;
}

/** A symbol in two: `IC MARKETS:` and `1`. The venue is small print. */
export function venueAndName(symbol) {
  const end = symbol.lastIndexOf(':') + 1;
  return [symbol.slice(0, end), symbol.slice(end)];
}

export const SPARK = { width: 116, height: 28 };

/**
 * The points of a small line through `prices`, of which the first may be null. It has no colour of up or
 * down: the change beside it is of another span of time.
 */
export function spark(prices) {
  const known = prices.filter((price) => price !== null);
  if (!known.length) return '';
  const [low, high] = [Math.min(...known), Math.max(...known)];
  // A price that hardly moves is not blown up to fill the height.
  const range = Math.max(high - low, Math.abs(high) * 0.0002, 1e-12);
  const middle = (low + high) / 2;
  // A beginning is shown large; a minute is the least.
  const begun = Math.min(prices.length - known.length, prices.length - 12);
  return prices.flatMap((price, index) => {
    if (price === null) return [];
    const x = ((index - begun) / (prices.length - 1 - begun)) * SPARK.width;
    const y = SPARK.height / 2 - ((price - middle) / range) * 22;
    return [`${x.toFixed(1)},${y.toFixed(1)}`];
  }).join(' ');
}
