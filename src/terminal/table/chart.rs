//! The chart of one symbol: its price in the last fifteen minutes, with nothing drawn where not everything
//! was recorded.
//!
//! Table thread. No I/O and no clock.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Widget};

use super::trails::{STEPS, Trails};
use crate::status::snapshot::{Snapshot, TickerSnapshot};
use crate::terminal::state_line::reason;
use crate::text::clock::local;
use crate::text::printable;

/// Steps in a minute.
const MINUTE: usize = 12;

/// Columns from which on three times of day have room.
const THREE_TIMES: u16 = 50;

/// Characters of a gap's reason.
const REASON_CHARACTERS: usize = 200;

/// Draws it into `area`, which begins with its title.
pub(super) fn draw(
    ticker: &TickerSnapshot,
    title: &Line<'_>,
    snapshot: &Snapshot,
    trails: &Trails,
    now_ms: i64,
    (area, buffer): (Rect, &mut Buffer),
) {
    buffer.set_line(area.x, area.y, title, area.width);
    let missing = trails.missing(snapshot, now_ms);
    // A minute at least, also when less is known.
    let from = trails.known_from(&ticker.symbol).min(STEPS - 1 - MINUTE);
    let since_ms = trails.began_ms(from);
    let gap = newest_gap(snapshot, since_ms, now_ms);
    let under = u16::from(gap.is_some() && area.height > 4);
    let middle = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + under), ..area };
    if let Some(gap) = gap.filter(|_| under > 0) {
        buffer.set_stringn(
            area.x,
            area.bottom() - 1,
            gap,
            usize::from(area.width),
            Style::new().add_modifier(Modifier::DIM),
        );
    }
    let lines = lines(&trails.prices(&ticker.symbol, &missing));
    let prices = || lines.iter().flatten().map(|(_, price)| *price);
    let (low, high) =
        (prices().fold(f64::INFINITY, f64::min), prices().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        let text = "no price in the last 15 minutes";
        buffer.set_stringn(middle.x, middle.y, text, usize::from(middle.width), Style::new());
        return;
    }
    // A price that never moved is in the middle.
    let around = if low < high { 0.0 } else { (low.abs() / 1000.0).max(1e-9) };
    let bounds = [low - around, high + around];
    let decimals = decimals(&ticker.price);
    let price = |share: f64| format!("{:.decimals$}", bounds[0] + (bounds[1] - bounds[0]) * share);
    let mut times = vec![since_ms, since_ms.midpoint(now_ms), now_ms];
    if area.width < THREE_TIMES {
        times.remove(1);
    }
    let times = times.into_iter().map(|at_ms| local(at_ms).1);
    let dim = Style::new().add_modifier(Modifier::DIM);
    let datasets = lines.iter().map(|line| {
        Dataset::default().data(line).marker(Marker::Braille).graph_type(GraphType::Line)
    });
    #[allow(clippy::cast_precision_loss)]
    let x_axis = Axis::default().bounds([from, STEPS - 1].map(|step| step as f64)).style(dim);
    Chart::new(datasets.collect())
        .x_axis(x_axis.labels(times))
        .y_axis(Axis::default().bounds(bounds).style(dim).labels([0.0, 0.5, 1.0].map(price)))
        .render(middle, buffer);
}

/// The prices as lines, one from each gap to the next.
fn lines(prices: &[f32]) -> Vec<Vec<(f64, f64)>> {
    let numbered: Vec<(u32, f32)> = (0..).zip(prices.iter().copied()).collect();
    let lines = numbered.split(|(_, price)| !price.is_finite()).filter(|line| !line.is_empty());
    let points = |line: &[(u32, f32)]| {
        line.iter().map(|(step, price)| (f64::from(*step), f64::from(*price))).collect()
    };
    lines.map(points).collect()
}

/// The newest gap that ended after `since_ms`, in words.
fn newest_gap(snapshot: &Snapshot, since_ms: i64, now_ms: i64) -> Option<String> {
    let going_on = snapshot.gap_now();
    let is_going_on = going_on.is_some();
    let gap = going_on.or_else(|| snapshot.gaps.back().cloned())?;
    let to_ms = if is_going_on { now_ms } else { gap.to_ms };
    let until = if is_going_on { "now".to_owned() } else { local(to_ms).1 };
    (to_ms >= since_ms).then(|| {
        let reason = printable(reason(&gap.reason), REASON_CHARACTERS);
        format!("gap {}–{until}: {reason}", local(gap.from_ms).1)
    })
}

/// How many decimals a price has: those of the labels.
fn decimals(price: &str) -> usize {
    let decimals = price.split_once('.').map_or("", |(_, decimals)| decimals);
    decimals.chars().take_while(char::is_ascii_digit).count().clamp(2, 8)
}

#[cfg(test)]
mod tests {
    use super::{decimals, lines};

    #[test]
    fn a_gap_ends_a_line() {
        let prices = [f32::NAN, 1.0, 2.0, f32::NAN, f32::NAN, 3.0];
        assert_eq!(lines(&prices), [vec![(1.0, 1.0), (2.0, 2.0)], vec![(5.0, 3.0)]]);
        assert!(lines(&[f32::NAN; 3]).is_empty());
    }

    #[test]
    fn labels_have_the_decimals_of_the_price() {
        assert_eq!(
            ["1", "1.5", "164.0601", "1.5e-7", "0.0000000001"].map(decimals),
            [2, 2, 4, 2, 8]
        );
    }
}
