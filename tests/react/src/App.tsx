import { useState } from 'react';
import { TradeChart, TradeTable, useHistory, useRecorder } from 'finnhub-react';

const asked = new URLSearchParams(location.search);
const url = asked.get('recorder') ?? 'http://127.0.0.1:8787';

export function App() {
  const [isShown, setIsShown] = useState(true);
  return (
    <main>
      <h1>Trades</h1>
      <button id="shown" type="button" onClick={() => setIsShown(!isShown)}>
        {isShown ? 'Hide' : 'Show'}
      </button>
      {isShown && <Market />}
    </main>
  );
}

function Market() {
  const recorder = useRecorder(url);
  const [chosen, setChosen] = useState(asked.get('symbol'));
  const [span, setSpan] = useState<number | 'all'>(900);
  const [type, setType] = useState<'line' | 'candles'>('line');
  const symbol = chosen ?? recorder.tickers[0]?.symbol ?? '';
  const { bars } = useHistory(url, symbol);
  const price = recorder.tickers.find((ticker) => ticker.symbol === symbol)?.price;
  return (
    <>
      <p id="state">{recorder.word}</p>
      <h2>
        {symbol} <output id="price">{price}</output>
      </h2>
      <p>
        <span id="seconds">{bars.length}</span> seconds with trades
      </p>
      <button id="all" type="button" onClick={() => setSpan('all')}>
        All
      </button>
      <button id="candles" type="button" onClick={() => setType('candles')}>
        Candles
      </button>
      <TradeChart url={url} symbol={symbol} span={span} type={type} />
      <TradeTable url={url} selected={symbol} onSelect={setChosen} />
    </>
  );
}
