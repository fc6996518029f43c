//! Errors of the command line, each on one line.
//!
//! Main thread. clap takes several lines for an error, and has no hints about symbols.

use std::error::Error as _;
use std::ffi::OsString;
use std::iter;
use std::net::SocketAddr;
use std::num::{ParseFloatError, ParseIntError};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::config::values::address;
use crate::text::printable;

/// Characters of a word that are shown.
const SHOWN: usize = 200;

/// One line about the error in `words`, the whole command line.
pub(super) fn one_line(error: &clap::Error, words: &[OsString], definition: &Command) -> String {
    let fault = in_our_words(error, words, definition).unwrap_or_else(|| in_claps_words(error));
    format!("{fault}; see --help")
}

/// The error of a long option with one dash: clap takes `-tickers` for `-t` with the symbol `ickers`, and
/// `-out` for `-o` with the file `ut`.
pub(super) fn one_dash(words: &[OsString], definition: &Command) -> Option<String> {
    let commands = || iter::once(definition).chain(definition.get_subcommands());
    let options: Vec<&str> = commands()
        .flat_map(|command| command.get_arguments().filter_map(Arg::get_long))
        .chain(["help", "version"])
        .collect();
    let words = words.iter().skip(1).take_while(|word| *word != "--");
    let mut names = words.filter_map(|word| word.to_str()?.strip_prefix('-')?.split('=').next());
    let name = names.find(|name| options.contains(name))?;
    Some(format!("there is no option -{name}; long options have two dashes: --{name}; see --help"))
}

/// Hints that clap does not have; `None` where its own words are good.
fn in_our_words(error: &clap::Error, words: &[OsString], definition: &Command) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    if error.kind() == ErrorKind::ValueValidation {
        let value = printable(context(ContextKind::InvalidValue)?, SHOWN);
        let option = name(context(ContextKind::InvalidArg)?);
        return Some(format!("{option} \"{value}\": {}", refusal(error)?));
    }
    let word = context(ContextKind::InvalidSubcommand);
    if let Some(word) = word.filter(|_| error.kind() != ErrorKind::MissingSubcommand) {
        if context(ContextKind::SuggestedSubcommand).is_some() {
            return None;
        }
        return Some(match definition.find_subcommand(word) {
            Some(_) => format!("{word} comes first and has its own options; leave out the others"),
            None => stray_word(word, words, definition),
        });
    }
    let argument = context(ContextKind::InvalidArg)?;
    let is_ship = words.get(1).is_some_and(|word| word == "ship");
    (error.kind() == ErrorKind::UnknownArgument && is_ship && !argument.starts_with('-')).then(
        || {
            let word = printable(argument, SHOWN);
            format!("\"{word}\" is a word too many; the command of ship follows --, as in -- cat")
        },
    )
}

/// Why a value is refused. The errors of the standard library about numbers do not say what to give instead.
fn refusal(error: &clap::Error) -> Option<String> {
    let why = error.source()?;
    if why.is::<ParseFloatError>() || why.is::<ParseIntError>() {
        return Some("give a number".to_owned());
    }
    Some(why.to_string())
}

/// A word that is neither an option nor a subcommand.
fn stray_word(word: &str, words: &[OsString], definition: &Command) -> String {
    let shown = printable(word, SHOWN);
    if let Some(first) =
        words.get(1).filter(|first| ["generate", "help"].iter().any(|it| first == it))
    {
        let first = first.to_string_lossy();
        return format!("{first}: there is no \"{shown}\"");
    }
    if let Some(address) = address_of_dashboard(word, words) {
        return format!("\"{shown}\" is a word too many; did you mean --dashboard={address}?");
    }
    let is_first = words.get(1).is_some_and(|first| first == word);
    if is_first && word.chars().all(|letter| letter.is_ascii_lowercase()) {
        let names: Vec<_> = definition.get_subcommands().map(Command::get_name).collect();
        return format!(
            "there is no \"{shown}\", only {}; a recording is started with --tickers AAPL,MSFT, and stopped with Ctrl-C",
            names.join(", ")
        );
    }
    let symbols = printable(&symbols_around(word, words), SHOWN);
    format!(
        "\"{shown}\" is neither an option nor a subcommand; symbols are given like this: --tickers {symbols}"
    )
}

/// The address that follows `--dashboard` behind a space, where only `=` can be.
fn address_of_dashboard(word: &str, words: &[OsString]) -> Option<SocketAddr> {
    let follows = words.windows(2).any(|pair| pair[0] == "--dashboard" && pair[1] == word);
    address(word).ok().filter(|_| follows)
}

/// The symbols that were given without commas, or without `--tickers`, joined with commas.
fn symbols_around(word: &str, words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let Some(at) = words.iter().position(|other| *other == word) else { return word.to_owned() };
    let is_option = |word: &str| word.starts_with('-');
    let before = match words[..at].iter().rposition(|word| is_option(word)) {
        Some(option) if ["-t", "--tickers"].contains(&&*words[option]) => &words[option + 1..at],
        _ => &[],
    };
    let glued = words[..at].last().and_then(|word| word.strip_prefix("--tickers="));
    let behind = words[at..].iter().take_while(|word| !is_option(word));
    let symbols = glued.into_iter().chain(before.iter().chain(behind).map(|word| &**word));
    symbols.map(|symbol| symbol.trim_matches(',')).collect::<Vec<_>>().join(",")
}

/// `--fsync` of `--fsync <always|INTERVAL|never>`, `--dashboard` of `--dashboard[=<ADDR:PORT>]`.
fn name(option: &str) -> &str {
    option.split([' ', '[']).next().unwrap_or_default()
}

/// The first lines of the error; the rest is the usage.
fn in_claps_words(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let line = lines.join("; ").replace(":; ", ": ");
    let line = line.trim_start_matches("error: ");
    printable(line.trim_end_matches("; For more information, try '--help'."), usize::MAX)
}

#[cfg(test)]
mod tests;
