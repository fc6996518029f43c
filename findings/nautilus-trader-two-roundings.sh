#!/usr/bin/env bash
# nautilus_trader 1.221.0 (PyPI): the wrangler rounds trades to the instrument in silence, and not
# as the instrument itself does.
#
# Guess: a trade at 164.0601 of 1.4 shares is kept, or refused as finer than the instrument (two
# decimals, whole shares); and both ways into the system give one price.
# Seen: it becomes 164.06 and 1 share without a word. At 164.065 the wrangler says 164.07 and
# make_price of the same instrument 164.06.
# Why it matters: US shares do trade at fractions of a cent and in fractions of a share. The
# data of a backtest and its orders are rounded in two ways, and lost volume is never reported.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: \
    nautilus_trader==1.221.0 pandas==2.3.3 numpy==2.2.6

timeout 120 venv/bin/python - <<'PY' | tee seen.txt
import pandas as pd
from nautilus_trader.persistence.wranglers import TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider

share = TestInstrumentProvider.equity("AAPL", "XNAS")
times = pd.to_datetime([1796050000123, 1796050000124], unit="ms", utc=True)
trades = pd.DataFrame(
    {"price": [164.0601, 164.065], "quantity": [1.4, 100.0], "trade_id": ["1", "2"]},
    index=times,
)
for tick in TradeTickDataWrangler(share).process(trades):
    print("wrangler", tick.price, tick.size)
print("make_price", share.make_price(164.0601), share.make_price(164.065))
PY
diff seen.txt - <<'END' || { echo "changed"; exit 1; }
wrangler 164.06 1
wrangler 164.07 100
make_price 164.06 164.06
END
