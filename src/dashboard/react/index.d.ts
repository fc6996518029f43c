import type { CSSProperties, HTMLAttributes, ReactElement, RefAttributes } from 'react';
import type { Bar, Candle, Gap, TradeChartElement } from './trade-chart.js';

export type { Bar, Candle, ChartPoint, Gap, TradeChartElement } from './trade-chart.js';

/** A symbol of the list. Times are UNIX milliseconds. */
export interface Ticker {
  symbol: string;
  state: 'live' | 'silent' | 'refused';
  /** A US share, while the US market is closed: no trade is expected. */
  closed: boolean;
  /** A US share in the night of the US market: a trade is possible, and so is silence. */
  night?: true;
  /** The digits received; null before the first trade. */
  price: string | null;
  /** The first price since the start. */
  first_price: string | null;
  /** Since the start, like `volume`. */
  trades: number;
  volume: number;
  /** The exchange's clock. */
  last_trade_ms: number | null;
  /** The recorder's clock. */
  last_received_ms: number | null;
  /** Since when it is subscribed, the recorder's clock; null when it is not. */
  wanted_since_ms: number | null;
}

/** The state of a recorder: what `GET /api/status` says, and whether that is still true. */
export interface RecorderState {
  /** Whether the recorder answers. */
  connected: boolean;
  /** True while what is shown is not known to be true: not connected, or nothing is recorded. */
  stale: boolean;
  /** Recording; connecting; nothing recorded; no messages or a stuck disk; no answer. */
  feed: 'live' | 'connecting' | 'down' | 'old' | 'gone';
  /** `feed` as a word for people. */
  word: string;
  /** What is wrong and what to do, as a sentence; empty while all is well. */
  notice: string;
  version: string;
  state: 'live' | 'connecting' | 'down';
  /** Why it is not live. */
  reason: string;
  disk_trouble: string | null;
  now_ms: number;
  started_ms: number;
  published_ms: number;
  last_message_ms: number | null;
  /** Elements of trade messages: received = written + rejected + dropped. */
  received: number;
  written: number;
  rejected: number;
  dropped: number;
  /** Messages that were no JSON. */
  unreadable: number;
  trades_per_second: number;
  reconnects: number;
  missing_ms: number;
  waiting_bytes: number;
  out: string;
  out_bytes: number;
  /**
   * By New York time. `open`: 04:00–20:00 on a trading day, until 13:00 on an early close; `night`:
   * 21:00–04:00 before a trading day; `closed`: all other times.
   */
  us_market: 'open' | 'night' | 'closed';
  /** In the order of the list. A ticker that has not changed is the same object. */
  tickers: readonly Ticker[];
}

/** What is known of a symbol's past. */
export interface History {
  /** Ascending. */
  bars: readonly Bar[];
  /** Ascending: those of the last minutes a second long, older ones longer. */
  candles: readonly Candle[];
  gaps: readonly Gap[];
  /** Why there is none, as a sentence; empty while all is well. */
  error: string;
}

/**
 * Follows the recorder whose dashboard is at `url`. All users of one `url` share one connection,
 * which is opened again when it is lost and closed with its last user. A hidden page holds none, and
 * keeps its last state until it is visible again.
 */
export function useRecorder(url: string): RecorderState;

/** The bars, candles and gaps of a symbol: loaded once and kept up. */
export function useHistory(url: string, symbol: string | null | undefined): History;

export interface TradeChartProps {
  /** Where the dashboard is, such as http://127.0.0.1:8787. */
  url: string;
  /** As the recorder calls it: a demo's symbols begin with DEMO: */
  symbol: string;
  /** Seconds shown at most, or "all". Default: 900. */
  span?: number | 'all';
  /** A line of the last prices, or candles as long as is readable. Default: "line". */
  type?: 'line' | 'candles';
  className?: string;
  style?: CSSProperties;
}

/** The live chart of one symbol. It is 300 pixels high unless `className` or `style` say otherwise. */
export function TradeChart(props: TradeChartProps): ReactElement;

export interface TradeTableProps {
  url: string;
  /** The symbol whose button is pressed. */
  selected?: string | null;
  /** With it, each symbol is a button. */
  onSelect?: (symbol: string) => void;
  className?: string;
  style?: CSSProperties;
}

/**
 * All symbols of the recorder. Colours: --finnhub-up, --finnhub-down and --finnhub-muted; without
 * them they follow `color-scheme`.
 */
export function TradeTable(props: TradeTableProps): ReactElement;

/** `<trade-chart>` in JSX. React 18 sets attributes only: give it `bars`, `candles` and `gaps` through a ref. */
interface TradeChartAttributes extends HTMLAttributes<TradeChartElement>, RefAttributes<TradeChartElement> {
  label?: string;
  span?: number | string;
  type?: 'line' | 'candles';
  stale?: boolean | '' | 'false';
  message?: string;
  bars?: readonly Bar[];
  candles?: readonly Candle[];
  gaps?: readonly Gap[];
  now?: number;
  price?: string | null;
  class?: string;
}

interface TradeChartJsx {
  'trade-chart': TradeChartAttributes;
}

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements extends TradeChartJsx {}
  }
}

/** For the types of React 18.0 and 18.1. */
declare global {
  namespace JSX {
    interface IntrinsicElements extends TradeChartJsx {}
  }
}
