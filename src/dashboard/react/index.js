/** finnhub-stream's live chart for React; index.d.ts says what each part takes and gives. */

import {
  createElement as h, memo, useCallback, useEffect, useRef, useState, useSyncExternalStore,
} from 'react';
import {
  ago, amount, changeOf, direction, percent, spark, SPARK, stateWord, venueAndName, whole,
} from './format.js';
import { NO_HISTORY, NO_SPARKS, NO_STATE, recorderAt } from './recorder-client.js';
import './trade-chart.js';

/** Follows something of recorder-client.js; on a server there is nothing to follow. */
function useFollowed(followed, none) {
  return useSyncExternalStore(followed.subscribe, followed.read, () => none);
}

export function useRecorder(url) {
  return useFollowed(recorderAt(url), NO_STATE);
}

const NO_SYMBOL = { subscribe: () => () => {}, read: () => NO_HISTORY };

export function useHistory(url, symbol) {
  return useFollowed(symbol ? recorderAt(url).history(symbol) : NO_SYMBOL, NO_HISTORY);
}

export function TradeChart({ url, symbol, span = 900, type = 'line', className, style }) {
  const recorder = useRecorder(url);
  const { bars, candles, gaps, error } = useHistory(url, symbol);
  const price = recorder.tickers.find((ticker) => ticker.symbol === symbol)?.price ?? null;
  const chart = useRef(null);
  // React 18 knows attributes only, so the properties are set by hand.
  useEffect(() => {
    Object.assign(chart.current, { bars, candles, gaps, price, now: recorder.now_ms });
  }, [bars, candles, gaps, price, recorder.now_ms]);
  return h('trade-chart', {
    ref: chart, label: symbol, span: String(span), type, class: className, style,
    stale: recorder.stale ? '' : undefined,
    message: recorder.notice || error || undefined,
  });
}

/** The recorder's time, renewed each second. */
function useNow(recorder) {
  const [now, setNow] = useState(0);
  useEffect(() => {
    const renew = () => setNow(recorder.now());
    renew();
    const timer = setInterval(renew, 1000);
    return () => clearInterval(timer);
  }, [recorder]);
  return now;
}

/** The same function for ever, which calls the latest one: rows are drawn only when they change. */
function useLatest(callback) {
  const latest = useRef(callback);
  useEffect(() => {
    latest.current = callback;
  });
  return useCallback((...given) => latest.current?.(...given), []);
}

const CELL = { padding: '4px 8px', textAlign: 'start' };
const NUMBER = { ...CELL, textAlign: 'end', fontVariantNumeric: 'tabular-nums' };
const BUTTON = { padding: 0, border: 0, background: 'none', font: 'inherit', color: 'inherit', cursor: 'pointer' };
const MUTED = { color: 'var(--finnhub-muted, light-dark(#566373, #97a5b7))' };
const COLOURS = {
  up: 'var(--finnhub-up, light-dark(#0b7a55, #4ad295))',
  down: 'var(--finnhub-down, light-dark(#c2352b, #ff8078))',
};
const LINE = { fill: 'none', stroke: 'currentColor', strokeWidth: 1.5, strokeLinejoin: 'round' };
const COLUMNS = [
  ['Symbol', CELL], ['5 minutes', CELL], ['Last', NUMBER], ['Since the start', NUMBER], ['Trades', NUMBER],
  ['Volume', NUMBER], ['Last trade', NUMBER], ['State', CELL],
];

const Spark = memo(function Spark({ prices }) {
  const { width, height } = SPARK;
  return h('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': true },
    h('polyline', { points: spark(prices ?? []), style: LINE }));
});

/** The page's button for a symbol; plain text where nothing can be chosen. */
function SymbolCell({ symbol, isSelected, onSelect }) {
  const [venue, name] = venueAndName(symbol);
  const text = h('span', null, venue && h('span', { style: MUTED }, venue), name);
  if (!onSelect) return text;
  return h('button', { type: 'button', style: BUTTON, 'aria-pressed': isSelected, onClick: () => onSelect(symbol) }, text);
}

const Row = memo(function Row({ ticker, prices, age, word, isSelected, onSelect }) {
  const { symbol } = ticker;
  const change = changeOf(ticker);
  const cell = (style, content) => h('td', { style }, content);
  return h('tr', { 'data-symbol': symbol, 'data-state': ticker.state },
    h('th', { scope: 'row', style: isSelected ? { ...CELL, boxShadow: 'inset 3px 0 0 currentColor' } : CELL }, h(SymbolCell, { symbol, isSelected, onSelect })),
    cell(CELL, h(Spark, { prices })),
    cell(NUMBER, ticker.price ?? '–'),
    cell({ ...NUMBER, color: COLOURS[direction(change)] }, percent(change)),
    cell(NUMBER, whole.format(ticker.trades)),
    cell(NUMBER, amount.format(ticker.volume)),
    cell(NUMBER, age),
    cell(CELL, word));
});

export function TradeTable({ url, selected, onSelect, className, style }) {
  const recorder = recorderAt(url);
  const { tickers, stale, notice } = useFollowed(recorder, NO_STATE);
  const sparks = useFollowed(recorder.sparks(), NO_SPARKS);
  const now = useNow(recorder);
  const select = useLatest(onSelect);
  const age = ({ last_received_ms: last }) => (last === null ? '–' : ago(now - last));
  return h('table', { className, style: { filter: stale ? 'grayscale(1)' : undefined, ...style } },
    notice && h('caption', { role: 'status' }, notice),
    h('thead', null, h('tr', null, COLUMNS.map(([name, column]) =>
      h('th', { key: name, scope: 'col', style: column }, name)))),
    h('tbody', null, tickers.map((ticker) => h(Row, {
      key: ticker.symbol, ticker, prices: sparks[ticker.symbol], age: age(ticker),
      word: stale ? '–' : stateWord(ticker),
      isSelected: ticker.symbol === selected, onSelect: onSelect && select,
    }))));
}
