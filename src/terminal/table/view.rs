//! What the person at the terminal has chosen, and what a key does to it.
//!
//! Table thread. No I/O and no clock.

use std::time::Instant;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::SIGINT;

use super::rows::Sort;
use crate::process::signals::is_second_ctrl_c;
use crate::text::printable;

/// Characters that can be typed at once; no symbol has more.
const LONGEST_INPUT: usize = 100;

/// What is to be done for a key, beyond the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    /// Put a symbol on the list.
    Add(String),
    /// Take one off the list.
    Remove(String),
    /// Stop the recording, as asked.
    Stop,
    /// Leave at once.
    Leave,
    /// Give the terminal back to the shell.
    Suspend,
    /// Draw everything once more: something else is on the screen.
    Redraw,
}

/// What fills the middle of the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Page {
    #[default]
    Table,
    Chart,
}

/// What the last line asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether to stop; asked then.
    Stop(Instant),
    /// Whether to remove the symbol.
    Remove(String),
    /// Which symbol to add, as far as it is typed.
    Add(String),
    /// What to find, while it is typed.
    Find,
}

/// What came of a change of the list: the words, and whether it failed.
pub(super) type Answer = (String, bool);

/// The rows at the moment of a key, in the order in which they are shown.
pub(super) struct Rows<'a> {
    pub(super) symbols: Vec<&'a str>,
}

/// Everything chosen.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) page: Page,
    pub(super) shows_help: bool,
    pub(super) question: Option<Question>,
    pub(super) sort: Sort,
    /// Only symbols with this in them are shown.
    pub(super) find: String,
    pub(super) answer: Option<Answer>,
    /// The chosen symbol, which keeps its mark wherever it moves to.
    chosen: Option<String>,
    /// Its row, and the first row that is shown.
    pub(super) row: usize,
    pub(super) first: usize,
    /// Rows that fit the screen.
    pub(super) page_rows: usize,
}

impl View {
    /// Finds the chosen symbol among the rows, and keeps it on the screen, which has room for `page_rows`.
    pub(super) fn place(&mut self, rows: &Rows<'_>, page_rows: usize) {
        let symbols = &rows.symbols;
        let found = self.chosen.as_ref().and_then(|it| symbols.iter().position(|at| at == it));
        self.row = found.unwrap_or(self.row).min(symbols.len().saturating_sub(1));
        self.page_rows = page_rows;
        let last_first = symbols.len().saturating_sub(page_rows);
        let lowest = (self.row + 1).saturating_sub(page_rows.max(1));
        self.first = self.first.min(last_first).clamp(lowest, self.row);
    }

    /// Does what an event of the terminal asks for.
    pub(super) fn event(&mut self, event: Event, rows: &Rows<'_>) -> Action {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key, rows),
            // Never keys: a stray paste would stop the recording.
            Event::Paste(text) => {
                for character in text.lines().next().unwrap_or_default().trim().chars() {
                    self.typed(character);
                }
                Action::Nothing
            }
            _ => Action::Nothing,
        }
    }

    fn key(&mut self, key: KeyEvent, rows: &Rows<'_>) -> Action {
        self.answer = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return self.ctrl_c(),
                KeyCode::Char('z') => return Action::Suspend,
                KeyCode::Char('l') => return Action::Redraw,
                _ => return Action::Nothing,
            }
        }
        if std::mem::take(&mut self.shows_help) && key.code != KeyCode::Char('q') {
            return Action::Nothing;
        }
        match self.question.take() {
            Some(question) => self.answer_to(question, key.code),
            None => self.command(key.code, rows),
        }
    }

    fn ctrl_c(&mut self) -> Action {
        match self.question {
            Some(Question::Stop(asked)) if is_second_ctrl_c(SIGINT, asked) => return Action::Leave,
            Some(Question::Stop(_)) => {}
            _ => self.question = Some(Question::Stop(Instant::now())),
        }
        Action::Nothing
    }

    fn answer_to(&mut self, question: Question, key: KeyCode) -> Action {
        let is_yes = matches!(key, KeyCode::Char('y' | 'Y'));
        match (question, key) {
            (Question::Stop(_), _) if is_yes => return Action::Stop,
            (Question::Remove(symbol), _) if is_yes => return Action::Remove(symbol),
            (Question::Find, KeyCode::Esc) => self.find.clear(),
            (Question::Stop(_) | Question::Remove(_), _)
            | (Question::Add(_), KeyCode::Esc)
            | (Question::Find, KeyCode::Enter) => {}
            (Question::Add(symbol), KeyCode::Enter) => {
                let symbol = symbol.trim().to_owned();
                return if symbol.is_empty() { Action::Nothing } else { Action::Add(symbol) };
            }
            (question, key) => {
                self.question = Some(question);
                match key {
                    KeyCode::Backspace => drop(self.input().and_then(String::pop)),
                    KeyCode::Char(character) => self.typed(character),
                    _ => {}
                }
            }
        }
        Action::Nothing
    }

    fn typed(&mut self, character: char) {
        if let Some(input) = self.input()
            && input.chars().count() < LONGEST_INPUT
            && !character.is_control()
        {
            input.push(character);
        }
    }

    fn input(&mut self) -> Option<&mut String> {
        match &mut self.question {
            Some(Question::Add(symbol)) => Some(symbol),
            Some(Question::Find) => Some(&mut self.find),
            _ => None,
        }
    }

    fn command(&mut self, key: KeyCode, rows: &Rows<'_>) -> Action {
        let chosen = rows.symbols.get(self.row).map(|symbol| (*symbol).to_owned());
        let page = self.page_rows.max(1);
        match key {
            KeyCode::Up => self.choose(self.row.saturating_sub(1), rows),
            KeyCode::Down => self.choose(self.row + 1, rows),
            KeyCode::PageUp => self.choose(self.row.saturating_sub(page), rows),
            KeyCode::PageDown => self.choose(self.row + page, rows),
            KeyCode::Home => self.choose(0, rows),
            KeyCode::End => self.choose(usize::MAX, rows),
            KeyCode::Enter if self.page == Page::Table && chosen.is_some() => {
                self.choose(self.row, rows);
                self.page = Page::Chart;
            }
            KeyCode::Enter => self.page = Page::Table,
            KeyCode::Esc if self.page == Page::Chart => self.page = Page::Table,
            KeyCode::Esc => self.find.clear(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('/') => {
                self.page = Page::Table;
                self.question = Some(Question::Find);
            }
            KeyCode::Char('a') => self.question = Some(Question::Add(String::new())),
            KeyCode::Char('d') => self.question = chosen.map(Question::Remove),
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Char('q') => self.question = Some(Question::Stop(Instant::now())),
            _ => {}
        }
        Action::Nothing
    }

    fn choose(&mut self, row: usize, rows: &Rows<'_>) {
        self.row = row.min(rows.symbols.len().saturating_sub(1));
        self.chosen = rows.symbols.get(self.row).map(|symbol| (*symbol).to_owned());
    }

    /// What the last line says instead of the keys, if anything.
    pub(super) fn last_line(&self) -> Option<String> {
        Some(match &self.question {
            Some(Question::Stop(_)) => {
                "stop recording? y/n (Ctrl-C again leaves at once)".to_owned()
            }
            Some(Question::Remove(symbol)) => format!("remove {}? y/n", printable(symbol, 40)),
            Some(Question::Add(symbol)) => format!("add symbol: {}_", printable(symbol, 100)),
            Some(Question::Find) => format!("find: {}_", printable(&self.find, 100)),
            None => return self.answer.as_ref().map(|(text, _)| text.clone()),
        })
    }
}

#[cfg(test)]
mod tests;
