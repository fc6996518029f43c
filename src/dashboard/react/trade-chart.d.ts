/** A second of trades, or more: its last second (UNIX), the last price, and the sums. */
export type Bar = readonly [second: number, price: number, volume: number, trades: number];

/**
 * What trades of a span of time have moved: the UNIX second at which it begins by the exchange's clock,
 * its length, the prices (null when no trade has set them), and the sums. `late` is there when open and
 * close are those of late trades, which give way to all others when candles are put together. Which trade
 * moves what is decided as by `finnhub-stream bars`.
 */
export type Candle = readonly [
  second: number, seconds: number,
  open: number | null, high: number | null, low: number | null, close: number | null,
  volume: number, trades: number, late?: true,
];

/** A span in which nothing was recorded: UNIX milliseconds, and why. */
export interface Gap {
  from_ms: number;
  to_ms: number;
  reason: string;
}

/** What is under the crosshair. */
export interface ChartPoint {
  second: number;
  /** Of a candle the close; null when no trade has set one. */
  price: number | null;
  volume: number;
  trades: number;
  /** In a chart of candles: how long this one is, and its other prices. */
  seconds?: number;
  open?: number | null;
  high?: number | null;
  low?: number | null;
  close?: number | null;
}

/**
 * `<trade-chart>`. Its attributes are `label`, `span` (seconds, or "all"), `type` ("line" or "candles"),
 * `stale` and `message`; its event `trade-chart-point` tells what is under the crosshair.
 */
export class TradeChartElement extends HTMLElement {
  /** Ascending. */
  bars: readonly Bar[];
  /** Ascending; for a chart of candles. */
  candles: readonly Candle[];
  gaps: readonly Gap[];
  /** UNIX milliseconds at the right edge; 0 for the time of the last bar. */
  now: number;
  /** The latest price as digits, when it is newer than the last bar. */
  price: string | null;
}

declare global {
  interface HTMLElementTagNameMap {
    'trade-chart': TradeChartElement;
  }
  interface HTMLElementEventMap {
    'trade-chart-point': CustomEvent<ChartPoint | null>;
  }
}
