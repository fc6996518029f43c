/** A second of trades, or more: its last second (UNIX), the last price, and the sums. */
export type Bar = readonly [second: number, price: number, volume: number, trades: number];

/** A span in which nothing was recorded: UNIX milliseconds, and why. */
export interface Gap {
  from_ms: number;
  to_ms: number;
  reason: string;
}

/** What is under the crosshair. */
export interface ChartPoint {
  second: number;
  price: number;
  volume: number;
  trades: number;
}

/**
 * `<trade-chart>`. Its attributes are `label`, `span` (seconds, or "all"), `stale` and `message`;
 * its event `trade-chart-point` tells what is under the crosshair.
 */
export class TradeChartElement extends HTMLElement {
  /** Ascending. */
  bars: readonly Bar[];
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
