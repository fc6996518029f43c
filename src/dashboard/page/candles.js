/**
 * Candles: as the recorder gives them, and as they are shown. It needs nothing, and runs anywhere.
 *
 * A candle of the recorder is [second, seconds, open, high, low, close, volume, trades, late]: the UNIX
 * second at which it begins, its length, the prices (null when no trade has set them), and the sums of
 * volume and trades. `late` is there and true when open and close are those of late trades, which give way
 * to all others when candles are put together. Young candles are a second long, old ones longer. No
 * candle overlaps another, and each length is a part of the next one.
 */

/** How long shown candles may be, in seconds: parts of a day, days, a week. */
export const LENGTHS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800,
];

/** The shortest length that is not below `least`, and into which all of these candles fit whole. */
export function lengthFor(candles, least) {
  const longest = candles.reduce((most, [, seconds]) => Math.max(most, seconds), 1);
  const fits = (length) => length >= least && length % longest === 0;
  return LENGTHS.find(fits) ?? LENGTHS.at(-1);
}

/** Candles of `length` seconds made of these, as objects. Both ascend. */
export function putTogether(candles, length) {
  const made = [];
  for (const [second, , open, high, low, close, volume, trades, isLate = false] of candles) {
    const start = second - (second % length);
    let candle = made.at(-1);
    if (candle?.second !== start) {
      candle = {
        second: start, seconds: length, open: null, high: null, low: null, close: null,
        volume: 0, trades: 0, isLate: true,
      };
      made.push(candle);
    }
    candle.volume += volume;
    candle.trades += trades;
    if (open === null) continue;
    const isFirst = candle.open === null || (candle.isLate && !isLate);
    candle.high = candle.high === null ? high : Math.max(candle.high, high);
    candle.low = candle.low === null ? low : Math.min(candle.low, low);
    if (isFirst) Object.assign(candle, { open, close, isLate });
    else if (candle.isLate === isLate) candle.close = close;
  }
  return made;
}

/** `old` with the candles of `later` in the place of those that they cover. All ascend. */
export function replaced(old, later) {
  if (!later.length) return old;
  const [[first]] = later;
  const from = old.findLastIndex(([second, seconds]) => second + seconds <= first) + 1; // it is near the end
  const merged = [];
  let next = 0;
  for (const candle of old.slice(from)) {
    const [second, seconds] = candle;
    while (next < later.length && later[next][0] + later[next][1] <= second) merged.push(later[next++]);
    const isCovered = next < later.length && later[next][0] < second + seconds;
    if (!isCovered) merged.push(candle);
  }
  return old.slice(0, from).concat(merged, later.slice(next));
}
