/**
 * <trade-chart>: trades of one symbol over time. The price as a line or as candles, the volume as bars,
 * and the spans in which nothing was recorded as hatched gaps with their reason. It needs nothing but
 * this file and candles.js, works under a content security policy without 'unsafe-inline', and fits any
 * page:
 *
 *   <script type="module" src="trade-chart.js"></script>
 *   <trade-chart label="AAPL" span="900" type="candles"></trade-chart>
 *
 * In React, `TradeChart` of the package that `finnhub-stream generate react` writes is this element
 * with its data.
 *
 * Attributes
 *   label    What is shown, for screen readers: usually the symbol.
 *   span     How many seconds are shown at most, or "all" for everything there is. Default: 900.
 *   type     "line" or "candles". Default: "line". Candles are as long as is readable at this width.
 *   stale    Present (and not "false") when the data have stopped: grey, and the line ends at its
 *            last trade.
 *   message  A line over the chart: why there is nothing, or nothing new.
 *
 * Properties
 *   bars    Array of [second, price, volume, trades], ascending: the UNIX second, the last price
 *           in it, and the sums of volume and trades. Longer bars carry their last second.
 *   candles Array of [second, seconds, open, high, low, close, volume, trades, late], as candles.js
 *           describes them; ascending. For a chart of candles.
 *   gaps    Array of {from_ms, to_ms, reason}: UNIX milliseconds, and why nothing was recorded.
 *   now     UNIX milliseconds at the right edge. Without it, the time of the last bar.
 *   price   The latest price as a string of digits, when it is newer than the last bar.
 *
 * Event
 *   trade-chart-point   The crosshair has moved; `detail` is {second, price, volume, trades}, of a
 *                       candle with {seconds, open, high, low, close} as well and the close as its
 *                       price, or null when it is gone.
 *
 * Keyboard: left and right move the crosshair, Home and End go to the ends, Escape hides it.
 *
 * Style: it is 300 pixels high unless told otherwise. --trade-chart-line, -up, -down, -volume, -grid,
 * -text, -gap, -card and -ink are CSS colours; without them it fits the colour of the text around it.
 */

import { lengthFor, putTogether } from './candles.js';

const PRICE_SHARE = 0.78; // of the height; the rest is for volume
const TIME_AXIS = 24; // pixels
const TOP = 14; // pixels, for the labels of gaps
const HOLD_SECONDS = 3; // a price is drawn as holding when the next trade came later than this
const CANDLE_ROOM = 9; // pixels; a candle that has less cannot be read
const PRICE_AXIS = 80; // pixels, about; how long candles are must not depend on the digits of a price
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
  172800, 604800, 1209600, 2419200,
];

// The colours' one place: the drawing reads them from .all as well.
const STYLE = `
  :host { display: block; position: relative; height: 300px; min-height: 120px; text-align: start; }
  :host([hidden]) { display: none; }
  .all {
    height: 100%;
    --line: var(--trade-chart-line, #2f5bea); --volume: var(--trade-chart-volume, #b9c4d8);
    --up: var(--trade-chart-up, #0b7a55); --down: var(--trade-chart-down, #c2352b);
    --grid: var(--trade-chart-grid, #e8ecf2); --text: var(--trade-chart-text, #566373);
    --gap: var(--trade-chart-gap, #d9a13b); --card: var(--trade-chart-card, #fff);
    --ink: var(--trade-chart-ink, #17202c);
  }
  .all.dark {
    --line: var(--trade-chart-line, #7aa2ff); --volume: var(--trade-chart-volume, #37455a);
    --up: var(--trade-chart-up, #4ad295); --down: var(--trade-chart-down, #ff8078);
    --grid: var(--trade-chart-grid, #252e3b); --text: var(--trade-chart-text, #97a5b7);
    --card: var(--trade-chart-card, #151b24); --ink: var(--trade-chart-ink, #e7ecf3);
  }
  .all.stale canvas { filter: grayscale(1); }
  canvas { display: block; width: 100%; height: 100%; border-radius: 6px; touch-action: pan-y; cursor: crosshair; }
  canvas:focus-visible { outline: 2px solid var(--line); outline-offset: 2px; }
  .tip, .message { position: absolute; border-radius: 9px; background: var(--card); color: var(--ink);
    border: 1px solid var(--volume); font-size: 13px; line-height: 1.45; }
  .tip { top: 18px; left: 0; padding: 7px 11px; pointer-events: none; box-shadow: 0 4px 18px rgb(0 0 0 / 14%);
    white-space: nowrap; font-variant-numeric: tabular-nums; }
  .message { top: 22px; left: 50%; transform: translateX(-50%); width: max-content; max-width: calc(100% - 48px);
    box-sizing: border-box; margin: 0; padding: 5px 12px; overflow-wrap: anywhere; }
  .message:empty, .tip[hidden] { display: none; }
  .tip b { font-size: 15px; }
  .tip div { color: var(--text); }
  .tip b:empty, .tip dl:empty { display: none; }
  .tip dl { display: grid; grid-template-columns: auto auto; gap: 0 14px; margin: 2px 0; }
  .tip dt { color: var(--text); }
  .tip dd { margin: 0; text-align: end; font-weight: 600; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`;

const clock = (options) => new Intl.DateTimeFormat(undefined, { hourCycle: 'h23', ...options });
const WITH_SECONDS = clock({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
const WITH_MINUTES = clock({ hour: '2-digit', minute: '2-digit' });
const WITH_DAY = clock({ day: 'numeric', month: 'short' });
const WITH_ALL = clock({
  day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit',
  timeZoneName: 'short',
});
const AMOUNT = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });

/** The first position in sorted `bars` whose second is not below `second`. */
function positionOf(bars, second) {
  let low = 0;
  let high = bars.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bars[middle][0] < second) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The smallest step that is not below `least`. */
function stepOf(least) {
  return STEPS.find((step) => step >= least) ?? STEPS.at(-1);
}

/** A round distance between about `count` lines over `range`, and the decimals to write it. */
function gridOf(range, count) {
  const raw = range / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step)) + (Math.abs(step / power - 2.5) < 1e-6 ? 1 : 0));
  return { step, digits: Math.min(digits, 12) };
}

function seconds(duration) {
  const whole = Math.round(duration);
  if (whole < 1) return `${Math.round(duration * 1000)} ms`;
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.round(whole / 60)} min`;
  return `${(whole / 3600).toFixed(1)} h`;
}

/** Whether a colour such as "rgb(231, 236, 243)" is a light one: then what lies behind is dark. */
function isLight(colour) {
  const [red, green, blue] = colour.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0];
  return 0.299 * red + 0.587 * green + 0.114 * blue > 127;
}

// On a server there are no elements, and importing this file must not fail there.
export class TradeChartElement extends (globalThis.HTMLElement ?? Object) {
  static observedAttributes = ['label', 'span', 'type', 'stale', 'message'];

  #bars = [];
  #candles = [];
  #gaps = [];
  #now = 0;
  #price = null;
  #point = null; // second under the crosshair
  #scheduled = false;
  #described = { at: 0, key: '' };
  #look = null; // the computed style
  #all = document.createElement('div');
  #canvas = document.createElement('canvas');
  #message = document.createElement('p');
  #tip = document.createElement('div');
  #tipParts = ['div', 'b', 'dl', 'div'].map((tag) => this.#tip.appendChild(document.createElement(tag)));
  #spoken = document.createElement('div');
  #observer = new ResizeObserver(() => this.#draw());
  #scheme = matchMedia('(prefers-color-scheme: dark)');
  #redraw = () => this.#schedule();
  #view = null; // how the last drawing maps seconds to pixels

  constructor() {
    super();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    const root = this.attachShadow({ mode: 'open' });
    root.adoptedStyleSheets = [sheet];
    this.#all.className = 'all';
    this.#canvas.tabIndex = 0;
    this.#canvas.setAttribute('role', 'img');
    this.#message.className = 'message';
    this.#message.setAttribute('role', 'status');
    this.#tip.className = 'tip';
    this.#tip.hidden = true;
    this.#tip.setAttribute('aria-hidden', 'true');
    this.#spoken.className = 'spoken';
    this.#spoken.setAttribute('aria-live', 'polite');
    this.#all.append(this.#canvas, this.#message, this.#tip, this.#spoken);
    root.append(this.#all);
    this.#canvas.addEventListener('pointermove', (event) => this.#pointAt(event));
    this.#canvas.addEventListener('pointerdown', (event) => this.#pointAt(event));
    this.#canvas.addEventListener('pointerleave', () => this.#show(null));
    this.#canvas.addEventListener('blur', () => this.#show(null));
    this.#canvas.addEventListener('keydown', (event) => this.#key(event));
  }

  connectedCallback() {
    // What was set before the element was defined would hide the setters for ever.
    for (const name of ['bars', 'candles', 'gaps', 'now', 'price']) {
      if (Object.hasOwn(this, name)) {
        const value = this[name];
        delete this[name];
        this[name] = value;
      }
    }
    this.#observer.observe(this);
    this.#scheme.addEventListener('change', this.#redraw);
    this.#schedule();
  }

  disconnectedCallback() {
    this.#observer.disconnect();
    this.#scheme.removeEventListener('change', this.#redraw);
  }

  attributeChangedCallback() {
    const message = this.getAttribute('message') ?? '';
    if (this.#message.textContent !== message) this.#message.textContent = message;
    this.#all.classList.toggle('stale', this.#isStale());
    this.#described.key = '';
    this.#schedule();
  }

  get bars() {
    return this.#bars;
  }

  set bars(bars) {
    this.#bars = Array.isArray(bars) ? bars : [];
    this.#schedule();
  }

  get candles() {
    return this.#candles;
  }

  set candles(candles) {
    this.#candles = Array.isArray(candles) ? candles : [];
    this.#schedule();
  }

  get gaps() {
    return this.#gaps;
  }

  set gaps(gaps) {
    this.#gaps = Array.isArray(gaps) ? gaps : [];
    this.#schedule();
  }

  get now() {
    return this.#now;
  }

  set now(now) {
    this.#now = Number(now) || 0;
    this.#schedule();
  }

  get price() {
    return this.#price;
  }

  set price(price) {
    this.#price = price ?? null;
    this.#schedule();
  }

  /** React 18 writes a false one as "false". */
  #isStale() {
    return (this.getAttribute('stale') ?? 'false') !== 'false';
  }

  #schedule() {
    if (this.#scheduled || !this.isConnected) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #colour(name) {
    return this.#look.getPropertyValue(`--${name}`).trim();
  }

  /** What is shown at most, in seconds. */
  #span() {
    const span = this.getAttribute('span') ?? '900';
    return span === 'all' ? Infinity : Number(span) || 900;
  }

  /** The span of time that a line covers, and its bars; the first one may be before it. */
  #lineView() {
    const end = Math.max(this.#now / 1000, this.#bars.at(-1)?.[0] ?? 0);
    const all = this.#bars.length ? end - this.#bars[0][0] : 0;
    // A beginning is shown large, and fills the span as it grows.
    const shown = Math.min(this.#span(), Math.max(60, all));
    const start = end - shown;
    const visible = this.#bars.slice(Math.max(0, positionOf(this.#bars, start) - 1));
    const prices = visible.map((bar) => bar[1]);
    return { start, end, shown, visible, length: 0, lows: prices, highs: prices };
  }

  /** The same for candles, with their length. From end to end there are whole ones. */
  #candleView(width) {
    const given = this.#candles;
    const now = Math.max(this.#now / 1000, given.at(-1)?.[0] ?? 0);
    const all = given.length ? now - given[0][0] : 0;
    const span = Math.min(this.#span(), Math.max(60, all));
    const least = (span / Math.max(1, width - PRICE_AXIS)) * CANDLE_ROOM;
    let [start, end, length] = [now - span, now, 1];
    // Twice: whole candles reach further back, and there may be longer ones.
    for (let turn = 0; turn < 2; turn += 1) {
      const from = start;
      length = lengthFor(given.filter(([second, seconds]) => second + seconds > from), least);
      end = (Math.floor(now / length) + 1) * length;
      start = end - Math.ceil(span / length) * length;
    }
    const visible = putTogether(given.slice(positionOf(given, start)), length);
    const priced = visible.filter((candle) => candle.open !== null);
    return {
      start, end, shown: end - start, visible, length,
      lows: priced.map((candle) => candle.low), highs: priced.map((candle) => candle.high),
    };
  }

  /** Everything that the drawing needs to know, from the data and the size. */
  #measure(context, width, height) {
    const times = this.getAttribute('type') === 'candles' ? this.#candleView(width) : this.#lineView();
    const { start, shown, visible, length } = times;
    const latest = Number(this.#price ?? NaN);
    // Candles of before are not drawn, and the price is what is left of them.
    const isKnown = Number.isFinite(latest) && (visible.length > 0 || (length > 0 && this.#candles.length > 0));
    const [lows, highs] = [times.lows, times.highs].map((prices) => (isKnown ? [...prices, latest] : prices));
    // An empty chart has axes too.
    let [low, high] = lows.length ? [Math.min(...lows), Math.max(...highs)] : [1, 1];
    const middle = (low + high) / 2;
    // A price that hardly moves is not blown up to fill the height.
    const range = Math.max(high - low, Math.abs(middle) * 0.0004, 1e-12);
    low = middle - range * 0.58;
    high = middle + range * 0.58;
    const bottom = height - TIME_AXIS;
    const floor = TOP + (bottom - TOP) * PRICE_SHARE;
    const grid = gridOf(high - low, Math.max(2, Math.floor((floor - TOP) / 52)));
    const format = new Intl.NumberFormat(undefined, {
      minimumFractionDigits: grid.digits, maximumFractionDigits: grid.digits,
    });
    const last = length ? visible.findLast((candle) => candle.close !== null)?.close : this.#bars.at(-1)?.[1];
    const tag = Number.isFinite(latest) ? latest : last;
    // As many decimals as the axis has, and two more.
    const tagText = tag === undefined ? '' : new Intl.NumberFormat(undefined, {
      minimumFractionDigits: grid.digits, maximumFractionDigits: grid.digits + 2,
    }).format(tag);
    const widest = visible.length || isKnown
      ? Math.max(...[format.format(low), format.format(high), tagText].map((text) => context.measureText(text).width))
      : 40;
    const right = width - Math.ceil(widest) - 16;
    return {
      ...times, isKnown, low, high, grid, format, bottom, floor, right, tag, tagText,
      x: (second) => ((second - start) / shown) * right,
      y: (price) => floor - ((price - low) / (high - low)) * (floor - TOP),
    };
  }

  #draw() {
    const box = this.#canvas.getBoundingClientRect();
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!box.width || !box.height) return;
    const scale = devicePixelRatio || 1;
    const [pixelWidth, pixelHeight] = [Math.round(width * scale), Math.round(height * scale)];
    if (this.#canvas.width !== pixelWidth || this.#canvas.height !== pixelHeight) {
      this.#canvas.width = pixelWidth;
      this.#canvas.height = pixelHeight;
    }
    this.#look = getComputedStyle(this.#all);
    this.#all.classList.toggle('dark', isLight(this.#look.color));
    const context = this.#canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${this.#look.fontFamily}`;
    context.textBaseline = 'middle';
    const view = this.#measure(context, width, height);
    this.#view = view;
    // With nothing known, not even the time, there is no axis.
    if (view.end > 0) this.#drawTimes(context, view);
    if (!view.visible.length && !view.isKnown) {
      context.fillStyle = this.#colour('text');
      context.textAlign = 'center';
      const isOnItsWay = !this.#bars.length && this.#price !== null;
      const nothing = this.#bars.length ? 'No trade that counts for a candle yet' : 'No trade yet';
      if (!isOnItsWay && !this.#message.textContent) context.fillText(nothing, width / 2, height / 2);
      this.#drawGaps(context, view);
      this.#nameGaps(context, view);
      this.#show(null);
      this.#describe(view);
      return;
    }
    this.#drawPrices(context, view, width);
    this.#drawVolume(context, view);
    this.#drawGaps(context, view);
    if (view.length) this.#drawCandles(context, view);
    else this.#drawLine(context, view);
    this.#nameGaps(context, view);
    if (view.tag !== undefined) this.#drawTag(context, view, width);
    this.#drawCrosshair(context, view, width);
    this.#describe(view);
  }

  #drawTimes(context, view) {
    const step = stepOf((view.shown / Math.max(view.right, 1)) * 92);
    const offset = new Date(view.end * 1000).getTimezoneOffset() * 60;
    const format = step < 60 ? WITH_SECONDS : step < 86400 ? WITH_MINUTES : WITH_DAY;
    context.textAlign = 'center';
    context.fillStyle = this.#colour('text');
    context.strokeStyle = this.#colour('grid');
    context.lineWidth = 1;
    const first = Math.ceil((view.start - offset) / step) * step + offset;
    for (let second = first; second <= view.end; second += step) {
      const x = Math.round(view.x(second)) + 0.5;
      context.beginPath();
      context.moveTo(x, TOP);
      context.lineTo(x, view.bottom);
      context.stroke();
      if (x > 22 && x < view.right - 8) {
        context.fillText(format.format(second * 1000), x, view.bottom + TIME_AXIS / 2 + 2);
      }
    }
    context.beginPath();
    context.moveTo(0, view.bottom + 0.5);
    context.lineTo(view.right, view.bottom + 0.5);
    context.stroke();
  }

  #drawPrices(context, view, width) {
    const { step } = view.grid;
    context.textAlign = 'right';
    context.fillStyle = this.#colour('text');
    context.strokeStyle = this.#colour('grid');
    for (let price = Math.ceil(view.low / step) * step; price <= view.high; price += step) {
      const y = Math.round(view.y(price)) + 0.5;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(view.right, y);
      context.stroke();
      // The tag of the latest price has its place.
      if (Math.abs(y - view.y(view.tag)) > 16) {
        context.fillText(view.format.format(price), width - 6, y);
      }
    }
  }

  /** The volume of each candle, or of spans of a line that are wide enough to be seen. */
  #volumes(view) {
    if (view.length) {
      return { step: view.length, sums: new Map(view.visible.map(({ second, volume }) => [second, volume])) };
    }
    const step = stepOf((view.shown / Math.max(view.right, 1)) * 6);
    const sums = new Map();
    for (const [second, , volume] of view.visible) {
      if (second < view.start) continue;
      const start = Math.floor(second / step) * step;
      sums.set(start, (sums.get(start) ?? 0) + volume);
    }
    return { step, sums };
  }

  #drawVolume(context, view) {
    const { step, sums } = this.#volumes(view);
    const most = Math.max(...sums.values(), 1e-12);
    const room = view.bottom - view.floor - 10;
    const wide = Math.max(1, (step / view.shown) * view.right - (view.length ? 3 : 1.5));
    const inset = view.length ? 1.5 : 0;
    context.fillStyle = this.#colour('volume');
    for (const [start, volume] of sums) {
      const x = Math.max(0, view.x(start) + inset);
      const tall = Math.max(volume > 0 ? 1 : 0, (volume / most) * room);
      context.beginPath();
      context.roundRect(x, view.bottom - tall, Math.min(wide, view.right - x), tall, [Math.min(2, wide / 3), Math.min(2, wide / 3), 0, 0]);
      context.fill();
    }
  }

  #visibleGaps(view) {
    return this.#gaps.filter((gap) => gap.to_ms / 1000 > view.start && gap.from_ms / 1000 < view.end);
  }

  /** From where to where a gap is drawn: it is to be seen, however short it was. */
  #sidesOf(gap, view) {
    const left = Math.max(0, view.x(gap.from_ms / 1000));
    return [left, Math.min(view.right, Math.max(left + 3, view.x(gap.to_ms / 1000)))];
  }

  #drawGaps(context, view) {
    const colour = this.#colour('gap');
    for (const gap of this.#visibleGaps(view)) {
      const [left, right] = this.#sidesOf(gap, view);
      context.save();
      context.beginPath();
      context.rect(left, TOP, right - left, view.bottom - TOP);
      context.clip();
      context.fillStyle = colour;
      context.globalAlpha = 0.1;
      context.fillRect(left, TOP, right - left, view.bottom - TOP);
      context.globalAlpha = 0.3;
      context.strokeStyle = colour;
      context.beginPath();
      const tall = view.bottom - TOP;
      for (let x = left - tall - ((left - tall) % 9); x < right; x += 9) {
        context.moveTo(x, view.bottom);
        context.lineTo(x + tall, TOP);
      }
      context.stroke();
      context.restore();
    }
  }

  /** Why nothing was recorded, over what is drawn, where there is room for it. */
  #nameGaps(context, view) {
    context.textAlign = 'left';
    for (const gap of this.#visibleGaps(view)) {
      const [left, right] = this.#sidesOf(gap, view);
      if (right - left <= 70) continue;
      const text = `${gap.reason} · ${seconds((gap.to_ms - gap.from_ms) / 1000)}`;
      const room = right - left - 16;
      const wide = Math.min(room, context.measureText(text).width);
      const x = left + (right - left - wide) / 2;
      context.fillStyle = this.#colour('card');
      context.globalAlpha = 0.88;
      context.fillRect(x - 5, TOP + 6, wide + 10, 20);
      context.globalAlpha = 1;
      context.fillStyle = this.#colour('ink');
      context.fillText(this.#fit(context, text, room), x, TOP + 16.5);
    }
  }

  /** As much of a text as fits. */
  #fit(context, text, room) {
    if (context.measureText(text).width <= room) return text;
    let length = text.length;
    while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
    return `${text.slice(0, length)}…`;
  }

  /** The line in pieces, each without a gap in it; points in seconds and prices. */
  #pieces(view) {
    const pieces = [];
    let piece = [];
    let gap = 0;
    const gaps = this.#gaps;
    const { visible } = view;
    visible.forEach(([second, price], index) => {
      const before = visible[index - 1];
      while (before && gap < gaps.length && gaps[gap].to_ms / 1000 < before[0]) gap += 1;
      const isGap = before && gap < gaps.length && gaps[gap].from_ms / 1000 <= second;
      if (isGap) {
        piece.push([Math.max(before[0], gaps[gap].from_ms / 1000), before[1]]);
        pieces.push(piece);
        piece = [];
      } else if (before && second - before[0] > HOLD_SECONDS) {
        // Until the next trade the price was this one.
        piece.push([second - 1, before[1]]);
      }
      piece.push([second, price]);
    });
    const open = gaps.at(-1);
    const lost = open && open.to_ms / 1000 > visible.at(-1)[0] ? open.from_ms / 1000 : Infinity;
    if (!this.#isStale()) piece.push([Math.max(visible.at(-1)[0], Math.min(view.end, lost)), view.tag]);
    pieces.push(piece);
    return pieces;
  }

  #drawLine(context, view) {
    const colour = this.#colour('line');
    const shade = context.createLinearGradient(0, TOP, 0, view.floor + 8);
    // Canvas spells any colour as #rrggbb; "transparent" would fade through grey.
    context.fillStyle = colour;
    shade.addColorStop(0, colour);
    shade.addColorStop(1, `${context.fillStyle.slice(0, 7)}00`);
    context.save();
    context.beginPath();
    context.rect(0, 0, view.right, view.bottom);
    context.clip();
    for (const piece of this.#pieces(view)) {
      const line = new Path2D();
      piece.forEach(([second, price], index) => {
        if (index === 0) line.moveTo(view.x(second), view.y(price));
        else line.lineTo(view.x(second), view.y(price));
      });
      const area = new Path2D(line);
      area.lineTo(view.x(piece.at(-1)[0]), view.floor + 8);
      area.lineTo(view.x(piece[0][0]), view.floor + 8);
      context.globalAlpha = 0.24;
      context.fillStyle = shade;
      context.fill(area);
      context.globalAlpha = 1;
      context.strokeStyle = colour;
      context.lineWidth = 1.75;
      context.lineJoin = 'round';
      context.stroke(line);
    }
    context.restore();
  }

  /** A rising candle is hollow, so that it is told from a falling one without its colour as well. */
  #drawCandles(context, view) {
    const half = Math.max(1, Math.min(9, Math.floor(((view.length / view.shown) * view.right * 0.66) / 2)));
    const [up, down] = [this.#colour('up'), this.#colour('down')];
    context.lineWidth = 1;
    for (const { second, open, high, low, close } of view.visible) {
      if (open === null) continue;
      const isUp = close >= open;
      // On whole pixels, or each looks different.
      const x = Math.round(view.x(second + view.length / 2)) + 0.5;
      const [top, bottom] = [open, close].map((price) => Math.round(view.y(price)) + 0.5).sort((a, b) => a - b);
      context.strokeStyle = isUp ? up : down;
      context.fillStyle = context.strokeStyle;
      context.beginPath();
      context.moveTo(x, Math.round(view.y(high)));
      context.lineTo(x, top);
      context.moveTo(x, bottom);
      context.lineTo(x, Math.round(view.y(low)) + 1);
      context.stroke();
      context.beginPath();
      context.rect(x - half, top, 2 * half, bottom - top);
      if (!isUp) context.fill();
      context.stroke();
    }
  }

  #drawTag(context, view, width) {
    const y = view.y(view.tag);
    const colour = this.#colour('line');
    context.save();
    context.strokeStyle = colour;
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.setLineDash([2, 4]);
    context.beginPath();
    context.moveTo(0, Math.round(y) + 0.5);
    context.lineTo(view.right, Math.round(y) + 0.5);
    context.stroke();
    context.restore();
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(view.right + 2, y - 11, width - view.right - 2, 22, 6);
    context.fill();
    context.fillStyle = this.#colour('card');
    context.textAlign = 'right';
    context.fillText(view.tagText, width - 6, y + 0.5);
  }

  /** Where a bar or a candle is under the crosshair. */
  #spotOf(bar) {
    const { length } = this.#view;
    return length ? { second: bar.second + length / 2, price: bar.close } : { second: bar[0], price: bar[1] };
  }

  #drawCrosshair(context, view, width) {
    const bar = this.#barAt(this.#point);
    const gap = this.#gapAt(this.#point);
    this.#tip.hidden = !bar && !gap;
    if (this.#tip.hidden) return;
    const spot = gap ? { second: this.#point, price: null } : this.#spotOf(bar);
    const x = Math.min(view.right, Math.max(0, view.x(spot.second)));
    context.strokeStyle = this.#colour('text');
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(Math.round(x) + 0.5, TOP);
    context.lineTo(Math.round(x) + 0.5, view.bottom);
    if (spot.price !== null) {
      context.moveTo(0, Math.round(view.y(spot.price)) + 0.5);
      context.lineTo(view.right, Math.round(view.y(spot.price)) + 0.5);
    }
    context.stroke();
    context.setLineDash([]);
    if (spot.price !== null && !view.length) {
      context.fillStyle = this.#colour('line');
      context.strokeStyle = this.#colour('card');
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, view.y(spot.price), 4.5, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    this.#fillTip(this.#words(bar, gap));
    const wide = this.#tip.offsetWidth;
    const left = x + 14 + wide > Math.min(width, view.right) ? x - 14 - wide : x + 14;
    this.#tip.style.left = `${Math.max(0, left)}px`;
  }

  #fillTip({ when, what = '', prices = [], more }) {
    const [time, main, list, last] = this.#tipParts;
    for (const [part, text] of [[time, when], [main, what], [last, more]]) {
      if (part.textContent !== text) part.textContent = text;
    }
    const cells = prices.flat().map(String);
    if (list.childElementCount !== cells.length) {
      list.replaceChildren(...cells.map((_, at) => document.createElement(at % 2 ? 'dd' : 'dt')));
    }
    cells.forEach((text, at) => {
      if (list.children[at].textContent !== text) list.children[at].textContent = text;
    });
  }

  /** What is under the crosshair: when, what in a word or in prices with their names, and more. */
  #words(bar, gap) {
    if (gap) {
      return {
        when: WITH_ALL.format(gap.from_ms), what: gap.reason,
        more: `nothing recorded for ${seconds((gap.to_ms - gap.from_ms) / 1000)}`,
      };
    }
    const { length } = this.#view;
    const [second, volume, count] = length ? [bar.second, bar.volume, bar.trades] : [bar[0], bar[2], bar[3]];
    const trades = count === 1 ? '1 trade' : `${AMOUNT.format(count)} trades`;
    const more = `volume ${AMOUNT.format(volume)} · ${trades}`;
    if (!length) return { when: WITH_ALL.format(second * 1000), what: String(bar[1]), more };
    const when = `${WITH_ALL.format(second * 1000)} · ${seconds(length)}`;
    if (bar.open === null) return { when, what: 'no price', more };
    return { when, prices: ['open', 'high', 'low', 'close'].map((name) => [name, bar[name]]), more };
  }

  #barAt(second) {
    if (second === null || !this.#view) return null;
    let nearest = null;
    let least = Infinity;
    for (const bar of this.#view.visible) {
      const at = this.#spotOf(bar).second;
      const distance = Math.abs(at - second);
      if (at >= this.#view.start && distance < least) [nearest, least] = [bar, distance];
    }
    return nearest;
  }

  #gapAt(second) {
    if (second === null) return null;
    // Three pixels, because that is how a very short one is drawn.
    const least = this.#view ? (3 / Math.max(1, this.#view.right)) * this.#view.shown : 0;
    return this.#gaps.find((gap) => {
      const from = gap.from_ms / 1000;
      return from <= second && second <= Math.max(gap.to_ms / 1000, from + least);
    }) ?? null;
  }

  #pointAt(event) {
    const view = this.#view;
    if (!view?.right) return;
    const x = event.clientX - this.#canvas.getBoundingClientRect().left;
    this.#show(view.start + (Math.min(x, view.right) / view.right) * view.shown);
  }

  #key(event) {
    const view = this.#view;
    if (!view?.visible.length) return;
    const bars = view.visible.filter((bar) => this.#spotOf(bar).second >= view.start);
    const here = this.#point === null ? -1 : bars.indexOf(this.#barAt(this.#point));
    const moves = {
      ArrowLeft: here < 0 ? bars.length - 1 : here - 1,
      ArrowRight: here < 0 ? bars.length - 1 : here + 1,
      Home: 0,
      End: bars.length - 1,
    };
    if (event.key === 'Escape') this.#show(null);
    else if (event.key in moves && bars.length) {
      const bar = bars[Math.min(bars.length - 1, Math.max(0, moves[event.key]))];
      const { second } = this.#spotOf(bar);
      this.#show(second);
      const { when, what, prices = [], more } = this.#words(bar, this.#gapAt(second));
      const parts = [when, what, ...prices.map((pair) => pair.join(' ')), more];
      this.#spoken.textContent = parts.filter(Boolean).join(', ');
    } else return;
    event.preventDefault();
  }

  #show(second) {
    if (second === null && this.#point === null) return;
    this.#point = second;
    const detail = this.#detailOf(this.#barAt(second));
    this.dispatchEvent(new CustomEvent('trade-chart-point', { detail, bubbles: true }));
    if (second === null) this.#tip.hidden = true;
    this.#schedule();
  }

  #detailOf(bar) {
    if (!bar) return null;
    if (!this.#view.length) return { second: bar[0], price: bar[1], volume: bar[2], trades: bar[3] };
    const { isLate, ...candle } = bar;
    return { ...candle, price: bar.close };
  }

  /** The picture in words, renewed now and then. */
  #describe(view) {
    const { lows, highs, length } = view;
    const gaps = this.#visibleGaps(view).length;
    const key = `${lows.length > 0} ${gaps} ${length}`;
    if (key === this.#described.key && performance.now() - this.#described.at < 10000) return;
    this.#described = { at: performance.now(), key };
    this.#canvas.setAttribute('aria-label', [
      `Chart of ${this.getAttribute('label') || 'trades'}, ${seconds(view.shown)}`,
      ...(length ? [`candles of ${seconds(length)}`] : []),
      ...(lows.length
        ? [`last price ${view.tag}`, `lowest ${Math.min(...lows)}, highest ${Math.max(...highs)}`]
        : [view.isKnown ? `last price ${view.tag}, no price in this time` : 'no trade yet']),
      gaps ? `${gaps} ${gaps === 1 ? 'gap' : 'gaps'} in the recording` : 'no gaps in the recording',
      'arrow keys move through the values',
    ].join('; '));
  }
}

// A second copy of this file, as a hot reload brings it, finds the element defined.
if (globalThis.customElements && !customElements.get('trade-chart')) {
  customElements.define('trade-chart', TradeChartElement);
}
