//! The whole screen, from what is known and chosen.
//!
//! Table thread. No I/O and no clock. Only the terminal's own colours, so that it can be read on a light
//! background as on a dark one.

use std::cmp::Ordering;

use log::Level;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, Widget};

use super::chart;
use super::rows::{Column, Sort, change, direction, small_line, state};
use super::trails::Trails;
use super::view::{Page, Question, View};
use crate::market::hours::{MarketState, us_market};
use crate::status::snapshot::{FeedState, Snapshot, TickerSnapshot};
use crate::terminal::log_lines::LogLine;
use crate::terminal::state_line::{Keep, Part, cut, in_rows, parts};
use crate::text::file_size;

/// Rows of a terminal from which on there is room for more than the table.
const TALL: u16 = 12;

/// Columns from which on the state has room in one row.
const WIDE: u16 = 120;

const HELP: &str = "\
↑ ↓ PgUp PgDn Home End   choose a symbol
Enter                    its chart, and back
s                        sort by the next column
/                        find symbols; Esc shows all
a   d                    add, remove a symbol
q   Ctrl-C               stop the recording (asks)
Ctrl-Z   Ctrl-L          to the shell (fg comes back); draw anew

change    since the start
15 minutes    · where not everything was recorded
silent    no trade for 5 minutes; closed, night: its hours
extra     nobody asked for it, trades come all the same";

/// What the screen is made of.
pub(super) struct Scene<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) last_message_ms: i64,
    pub(super) now_ms: i64,
    pub(super) trails: &'a Trails,
    /// The last log lines, the newest at the end.
    pub(super) log: &'a [LogLine],
    /// The places of the symbols to show, in their order.
    pub(super) order: &'a [usize],
    pub(super) view: &'a View,
    pub(super) colours: bool,
}

/// Which rows of the screen are for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    top: Rect,
    middle: Rect,
    rule: Rect,
    log: Rect,
    keys: Rect,
}

impl Layout {
    /// For so many symbols. A short list leaves more room to the log.
    pub(super) fn of(area: Rect, symbols: usize, page: Page) -> Self {
        let is_tall = area.height >= TALL;
        let top_rows = if is_tall && area.width < WIDE { 2 } else { 1 };
        let log_rows = match area.height {
            0..TALL => 0,
            TALL..20 => 2,
            20..30 => 4,
            _ => 6,
        };
        let (mut y, end) = (area.y, area.bottom());
        let mut take = |rows: u16| {
            let rows = rows.min(end - y);
            y += rows;
            Rect { y: y - rows, height: rows, ..area }
        };
        let top = take(top_rows);
        let rule_rows = u16::from(is_tall);
        let most = area.height.saturating_sub(top_rows + rule_rows + log_rows + 1);
        let needed = match page {
            Page::Table if is_tall => u16::try_from(symbols.max(1) + 1).unwrap_or(u16::MAX),
            _ => u16::MAX,
        };
        let middle = take(most.min(needed));
        let rule = take(rule_rows);
        let log = take((end - rule.bottom()).saturating_sub(1));
        Self { top, middle, rule, log, keys: take(1) }
    }

    /// Symbols that fit, below the titles.
    pub(super) fn page_rows(&self) -> usize {
        usize::from(self.middle.height.saturating_sub(1))
    }
}

impl Scene<'_> {
    pub(super) fn draw(&self, layout: &Layout, buffer: &mut Buffer) {
        self.top(layout.top, buffer);
        let chosen = self.order.get(self.view.row).map(|at| &self.snapshot.tickers[*at]);
        match (self.view.page, chosen) {
            (Page::Chart, Some(ticker)) if layout.middle.height > 0 => {
                let place = (layout.middle, &mut *buffer);
                let title = self.chart_title(ticker);
                chart::draw(ticker, &title, self.snapshot, self.trails, self.now_ms, place);
            }
            _ => self.table(layout.middle, buffer),
        }
        self.rule(layout.rule, buffer);
        self.log(layout.log, buffer);
        self.keys(layout.keys, buffer);
        if self.view.shows_help {
            help(buffer);
        }
    }

    fn colour(&self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// The state, as in the live line, with the name of the file.
    fn top(&self, area: Rect, buffer: &mut Buffer) {
        let mut parts = parts(self.snapshot, self.last_message_ms, self.now_ms);
        if let Some(Part(Keep::Size, size)) = parts.last_mut() {
            *size = format!(" · {} {}", self.snapshot.out, file_size(self.snapshot.out_bytes));
        }
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let styles: Vec<Style> = parts
            .iter()
            .enumerate()
            .map(|(number, part)| match (number, self.snapshot.state) {
                (0, FeedState::Live) => bold.patch(self.colour(Color::Green)),
                (0, FeedState::Connecting) => bold.patch(self.colour(Color::Yellow)),
                (0, FeedState::Down) => bold.patch(self.colour(Color::Red)),
                // What is never left out is trouble.
                _ if part.0 == Keep::Always => bold.patch(self.colour(Color::Red)),
                _ => Style::new(),
            })
            .collect();
        let rows = in_rows(parts, usize::from(area.width), usize::from(area.height));
        for (y, row) in (area.y..).zip(rows) {
            let spans = row.into_iter().map(|(number, text)| Span::styled(text, styles[number]));
            buffer.set_line(area.x, y, &spans.collect::<Line<'_>>(), area.width);
        }
    }

    fn table(&self, area: Rect, buffer: &mut Buffer) {
        let market = us_market(self.now_ms);
        let columns = self.columns(market, area.width);
        let missing = self.trails.missing(self.snapshot, self.now_ms);
        let is_live = self.snapshot.state == FeedState::Live;
        let page = usize::from(area.height.saturating_sub(1));
        let shown = self.order.iter().enumerate().skip(self.view.first).take(page);
        let rows = shown.map(|(number, at)| {
            let ticker = &self.snapshot.tickers[*at];
            let cells = columns.iter().map(|(column, width)| match column {
                Column::Line => {
                    let prices = self.trails.prices(&ticker.symbol, &missing);
                    Cell::new(small_line(&prices, &missing, usize::from(*width)))
                }
                column => self.cell(*column, *width, ticker, market),
            });
            let mut style = Style::new();
            if !is_live || state(ticker, market, self.now_ms) != "live" {
                style = style.add_modifier(Modifier::DIM);
            }
            if number == self.view.row {
                style = style.add_modifier(Modifier::REVERSED);
            }
            Row::new(cells).style(style)
        });
        let titles = columns.iter().map(|(column, width)| {
            let mark = match self.view.sort {
                Sort::By(sorted) if sorted == *column => "▾",
                _ => "",
            };
            let title = format!("{mark}{}", column.title());
            aligned(*column, cut(&title, usize::from(*width)))
        });
        let titles = Row::new(titles).style(Style::new().add_modifier(Modifier::BOLD));
        let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
        Table::new(rows, widths).header(titles).render(area, buffer);
        if self.order.is_empty() && area.height > 1 {
            let text = if self.view.find.is_empty() { "no symbols" } else { "nothing found" };
            buffer.set_stringn(area.x, area.y + 1, text, usize::from(area.width), Style::new());
        }
    }

    /// The columns that have room, each with its width. The same for all rows, so that nothing moves while
    /// one scrolls.
    fn columns(&self, market: MarketState, width: u16) -> Vec<(Column, u16)> {
        let widest = |column: Column, least: usize| {
            let texts = self.snapshot.tickers.iter().map(|it| column.text(it, market, self.now_ms));
            let widest = texts.map(|text| text.chars().count()).max().unwrap_or(0);
            u16::try_from(widest.max(least)).unwrap_or(u16::MAX)
        };
        let mut columns = Vec::new();
        let mut left = width;
        for column in Column::BY_WEIGHT {
            let needed = match column {
                Column::Symbol => widest(column, 6),
                Column::Last => widest(column, 8),
                Column::Line => [60, 30, 15].into_iter().find(|it| it + 50 <= left).unwrap_or(15),
                Column::Change | Column::Age | Column::Trades => 9,
                Column::Volume => 10,
                Column::State => 8,
            };
            // The symbol is there in any case, as far as it has room.
            if needed > left && !columns.is_empty() {
                continue;
            }
            columns.push((column, needed.min(left)));
            left = left.saturating_sub(needed + 1);
        }
        columns.sort_by_key(|(column, _)| *column);
        columns
    }

    fn cell(
        &self,
        column: Column,
        width: u16,
        ticker: &TickerSnapshot,
        market: MarketState,
    ) -> Cell<'static> {
        let text = match column.text(ticker, market, self.now_ms) {
            // A symbol that traded just now is not live while nothing is recorded.
            text if column == Column::State && text == "live" => self.snapshot.state.name().into(),
            text => text,
        };
        let text = cut(&text, usize::from(width));
        let style = match (column, text.as_str()) {
            (Column::State, "refused") => self.colour(Color::Red),
            (Column::State, "silent") => self.colour(Color::Yellow),
            (Column::Change, _) => self.change_style(ticker),
            _ => Style::new(),
        };
        aligned(column, text).style(style)
    }

    fn change_style(&self, ticker: &TickerSnapshot) -> Style {
        match change(ticker).map(direction) {
            Some(Ordering::Greater) => self.colour(Color::Green),
            Some(Ordering::Less) => self.colour(Color::Red),
            _ => Style::new(),
        }
    }

    fn chart_title(&self, ticker: &TickerSnapshot) -> Line<'static> {
        let text = |column: Column| column.text(ticker, us_market(self.now_ms), self.now_ms);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Line::from(vec![
            Span::styled(text(Column::Symbol), bold),
            Span::raw(format!("  {}  ", text(Column::Last))),
            Span::styled(text(Column::Change), self.change_style(ticker)),
            Span::raw(format!("  {} trades, last 15 minutes", text(Column::Trades))),
        ])
    }

    /// The line between table and log: where in the list the screen is, and how it is sorted.
    fn rule(&self, area: Rect, buffer: &mut Buffer) {
        let (count, view) = (self.order.len(), self.view);
        let last = (view.first + view.page_rows).min(count);
        let mut words = vec![match view.page {
            Page::Table if last - view.first.min(last) < count => {
                format!("{}–{last} of {count}", view.first + 1)
            }
            _ => String::new(),
        }];
        words.push(match view.sort {
            Sort::List => String::new(),
            Sort::By(column) => format!("by {}", column.title()),
        });
        if !view.find.is_empty() {
            words.push(format!("with \"{}\" (Esc: all)", view.find));
        }
        words.retain(|word| !word.is_empty());
        let words = match words.join(" · ") {
            words if words.is_empty() => "─".repeat(4),
            words => format!("── {words} "),
        };
        let text = format!("{words}{}", "─".repeat(usize::from(area.width)));
        let dim = Style::new().add_modifier(Modifier::DIM);
        if area.height > 0 {
            buffer.set_stringn(area.x, area.y, text, usize::from(area.width), dim);
        }
    }

    fn log(&self, area: Rect, buffer: &mut Buffer) {
        let first = self.log.len().saturating_sub(usize::from(area.height));
        for (y, line) in (area.y..).zip(&self.log[first..]) {
            let style = match line.level {
                Level::Error => self.colour(Color::Red),
                Level::Warn => self.colour(Color::Yellow),
                _ => Style::new(),
            };
            let line = Line::from(vec![
                Span::raw(format!("{} ", line.when)),
                Span::styled(format!("{:<5}", line.level.as_str()), style),
                Span::raw(format!(" {}", line.text)),
            ]);
            buffer.set_line(area.x, y, &line, area.width);
        }
    }

    /// The keys, or what is asked or answered.
    fn keys(&self, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let width = usize::from(area.width);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        if let Some(text) = self.view.last_line() {
            let is_trouble = matches!(self.view.question, Some(Question::Stop(_)))
                || self.view.answer.as_ref().is_some_and(|(_, failed)| *failed);
            let style = if is_trouble { bold.patch(self.colour(Color::Red)) } else { bold };
            buffer.set_stringn(area.x, area.y, text, width, style);
            return;
        }
        let mut x = area.x;
        for (key, what) in keys_that_fit(width) {
            let (after, _) = buffer.set_stringn(x, area.y, key, width, bold);
            (x, _) = buffer.set_stringn(after, area.y, format!(" {what}  "), width, Style::new());
        }
    }
}

/// The keys with what they do, the most important ones last.
const KEYS: [(&str, &str); 8] = [
    ("↑↓", "choose"),
    ("s", "sort"),
    ("Enter", "chart"),
    ("/", "find"),
    ("a", "add"),
    ("d", "remove"),
    ("?", "help"),
    ("q", "stop"),
];

fn keys_that_fit(width: usize) -> &'static [(&'static str, &'static str)] {
    let length = |keys: &[(&str, &str)]| {
        keys.iter().map(|(key, what)| key.chars().count() + what.len() + 3).sum::<usize>()
    };
    let fits = (0..KEYS.len()).find(|first| length(&KEYS[*first..]) <= width + 2);
    &KEYS[fits.unwrap_or(KEYS.len() - 1)..]
}

fn aligned(column: Column, text: String) -> Cell<'static> {
    let alignment = if column.is_number() { Alignment::Right } else { Alignment::Left };
    Cell::new(Text::from(text).alignment(alignment))
}

/// In the middle of the screen, over everything else.
fn help(buffer: &mut Buffer) {
    let widest = HELP.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let size = |inner: usize| u16::try_from(inner + 2).unwrap_or(u16::MAX);
    let screen = buffer.area;
    let (width, height) =
        (size(widest).min(screen.width), size(HELP.lines().count()).min(screen.height));
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    Paragraph::new(HELP).block(Block::bordered().title("keys")).render(area, buffer);
}
