// Nothing here runs: the compiler reads what the package's types allow and refuse.

import { TradeChart, TradeTable, useHistory, useRecorder } from 'finnhub-react';
import type { Bar, Candle, Gap, History, RecorderState, TradeChartElement } from 'finnhub-react';
import 'finnhub-react/trade-chart';

export const bars: Bar[] = [[1, 1.5, 2, 3]];
export const candles: Candle[] = [
  [1, 1, 1.5, 2, 1, 1.5, 2, 3], [2, 1, null, null, null, null, 5, 1], [3, 1, 1, 1, 1, 1, 1, 1, true],
];
export const gaps: Gap[] = [{ from_ms: 1, to_ms: 2, reason: 'connection lost' }];

export function Element() {
  return <trade-chart label="AAPL" span="all" type="candles" stale={false} bars={bars} candles={candles} gaps={gaps} class="wide" />;
}

export function withoutReact(element: TradeChartElement) {
  element.bars = bars;
  document.querySelector('trade-chart')!.price = '1.50';
  element.addEventListener('trade-chart-point', (event) => event.detail?.price?.toFixed(2));
  element.candles = candles;
  // @ts-expect-error prices are not left out
  element.candles = [[1, 1, 2, 3]];
  // @ts-expect-error a bar is four numbers
  element.bars = [[1, 2]];
}

export function Wrong() {
  const state: RecorderState = useRecorder('');
  const { error, candles: known }: History = useHistory('', null);
  // @ts-expect-error there are two types
  const kind = <TradeChart url="" symbol="A" type="bars" />;
  // @ts-expect-error the hours have three names
  const isShut = state.us_market === 'shut';
  // @ts-expect-error without a URL there is nothing to follow
  const table = <TradeTable />;
  // @ts-expect-error a span is seconds, or all
  const chart = <TradeChart url="" symbol="A" span="long" />;
  return [state.tickers[0]?.price?.length, state.tickers[0]?.night, isShut, error, known, kind, table, chart];
}
