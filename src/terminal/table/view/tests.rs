//! Keys, and what they choose and change.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

use super::{Action, Page, Question, Rows, View};

const SYMBOLS: [&str; 5] = ["A", "B", "C", "D", "E"];

fn press(view: &mut View, code: KeyCode) -> Action {
    key(view, KeyEvent::from(code))
}

fn key(view: &mut View, key: KeyEvent) -> Action {
    let rows = Rows { symbols: SYMBOLS.to_vec() };
    let action = view.event(Event::Key(key), &rows);
    view.place(&rows, 2);
    action
}

fn typed(view: &mut View, text: &str) -> Action {
    text.chars().map(|it| press(view, KeyCode::Char(it))).last().unwrap_or(Action::Nothing)
}

#[test]
fn the_mark_moves_within_the_rows_and_stays_on_the_screen() {
    let mut view = View::default();
    for (code, row, first) in [
        (KeyCode::Up, 0, 0),
        (KeyCode::Down, 1, 0),
        (KeyCode::Down, 2, 1),
        (KeyCode::PageDown, 4, 3),
        (KeyCode::PageDown, 4, 3),
        (KeyCode::PageUp, 2, 2),
        (KeyCode::End, 4, 3),
        (KeyCode::Home, 0, 0),
    ] {
        press(&mut view, code);
        assert_eq!((view.row, view.first), (row, first), "{code:?}");
    }
}

#[test]
fn the_mark_follows_its_symbol_and_a_shorter_list() {
    let mut view = View::default();
    press(&mut view, KeyCode::Down);
    view.place(&Rows { symbols: vec!["C", "D", "B"] }, 2);
    assert_eq!((view.row, view.first), (2, 1));
    view.place(&Rows { symbols: vec!["C"] }, 2);
    assert_eq!((view.row, view.first), (0, 0));
    view.place(&Rows { symbols: Vec::new() }, 2);
    view.place(&Rows { symbols: Vec::new() }, 0);
    assert_eq!((view.row, view.first), (0, 0));
}

#[test]
fn only_y_answers_yes() {
    for (text, expected) in [
        ("qy", Action::Stop),
        ("qY", Action::Stop),
        ("qn", Action::Nothing),
        ("qq", Action::Nothing),
        ("qny", Action::Nothing),
        ("dy", Action::Remove("A".into())),
        ("dn", Action::Nothing),
        ("y", Action::Nothing),
    ] {
        let mut view = View::default();
        assert_eq!((typed(&mut view, text), &view.question), (expected, &None), "{text}");
    }
}

#[test]
fn a_second_ctrl_c_leaves_and_one_that_is_doubled_is_one() {
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    let mut view = View::default();
    assert_eq!(key(&mut view, ctrl_c), Action::Nothing);
    assert_eq!(key(&mut view, ctrl_c), Action::Nothing, "within 50 ms");
    let earlier = Instant::now().checked_sub(Duration::from_millis(51));
    view.question = earlier.map(Question::Stop);
    assert_eq!(key(&mut view, ctrl_c), Action::Leave);
    // In the middle of a name it asks as well.
    let mut view = View::default();
    typed(&mut view, "aX");
    key(&mut view, ctrl_c);
    assert!(matches!(view.question, Some(Question::Stop(_))));
}

#[test]
fn a_symbol_is_typed_or_pasted_and_a_paste_is_never_a_key() {
    let mut view = View::default();
    let rows = Rows { symbols: SYMBOLS.to_vec() };
    assert_eq!(view.event(Event::Paste("qy".into()), &rows), Action::Nothing);
    assert_eq!(view.question, None);
    typed(&mut view, "aXq");
    press(&mut view, KeyCode::Backspace);
    view.event(Event::Paste(" Y\nZ".into()), &rows);
    assert_eq!(view.last_line().unwrap(), "add symbol: XY_");
    assert_eq!(press(&mut view, KeyCode::Enter), Action::Add("XY".into()));
    typed(&mut view, "aX");
    assert_eq!((press(&mut view, KeyCode::Esc), &view.question), (Action::Nothing, &None));
    typed(&mut view, "a");
    assert_eq!(press(&mut view, KeyCode::Enter), Action::Nothing);
}

#[test]
fn what_is_found_stays_until_escape() {
    let mut view = View::default();
    typed(&mut view, "/aq");
    assert_eq!((view.find.as_str(), &view.question), ("aq", &Some(Question::Find)));
    press(&mut view, KeyCode::Enter);
    assert_eq!((view.find.as_str(), &view.question), ("aq", &None));
    press(&mut view, KeyCode::Esc);
    assert_eq!(view.find, "");
}

#[test]
fn a_chart_is_opened_and_closed_and_help_closes_with_any_key() {
    let mut view = View::default();
    for (code, page) in [
        (KeyCode::Enter, Page::Chart),
        (KeyCode::Down, Page::Chart),
        (KeyCode::Esc, Page::Table),
        (KeyCode::Enter, Page::Chart),
        (KeyCode::Enter, Page::Table),
    ] {
        press(&mut view, code);
        assert_eq!(view.page, page);
    }
    assert_eq!(view.row, 1);
    typed(&mut view, "?");
    assert!(view.shows_help);
    typed(&mut view, "d");
    assert_eq!((view.shows_help, &view.question), (false, &None));
}
