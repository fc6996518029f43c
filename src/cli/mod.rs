//! The command line: its options, its help, its errors on one line, and the call of what it asks for.
//!
//! Main thread. Standard output is for the answers of `verify`, `check`, `--help` and `generate`. Their reader
//! may go away at any time, which is no error; a full disk is one.

mod subcommands;
mod usage_errors;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Command, CommandFactory, Parser};

use crate::app;
use crate::config::{DEFAULT_LOG_FILE, RecordArguments};
use crate::process::error::{EXIT_OK, Error};
use crate::recorder::log_refusal;
use subcommands::{Subcommands, print};
use usage_errors::{one_dash, one_line};

const EXAMPLES: &str = "\
Examples:
  finnhub-stream --demo                           see it work, without a key: in demo.csv
  finnhub-stream --demo --dashboard               watch it in the browser
  finnhub-stream --demo --table                   or here; ? shows the keys
  finnhub-stream check                            is everything ready for the real one?
  finnhub-stream --tickers AAPL,BINANCE:BTCUSDT   record into op1.csv
  finnhub-stream verify op1.csv                   is the recording whole?
  finnhub-stream ship op1.csv --name db -- ./ship-postgres   into an engine, nothing lost

The API key comes from FINNHUB_API_KEY or API_KEY, in the environment or in a .env file
here or in a parent directory. Get a free one at https://finnhub.io/register.

Exit codes:
  0    stopped as asked
  1    could not go on
  2    wrong usage or settings
  130  a second Ctrl-C";

/// Record every trade that Finnhub delivers to a CSV file, and say what was missed.
#[derive(Debug, Parser)]
#[command(
    name = "finnhub-stream",
    version,
    after_help = EXAMPLES,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
struct CommandLine {
    #[command(flatten)]
    record: RecordArguments,
    #[command(subcommand)]
    instead: Option<Subcommands>,
}

/// Runs what the command line asks for; gives the exit code when there is no error to print.
///
/// # Errors
/// [`Error::Usage`] when the command line or a setting is wrong; [`Error::CannotGoOn`] when what it
/// asks for could not be done.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, Error> {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let definition = CommandLine::command();
    if let Some(fault) = one_dash(&words, &definition) {
        return refuse(fault, &words, &definition);
    }
    match CommandLine::try_parse_from(&words) {
        Ok(CommandLine { instead: Some(subcommand), .. }) => subcommand.run(definition),
        Ok(CommandLine { record, instead: None }) => app::record(record).map(|()| EXIT_OK),
        // clap reports help and version as errors.
        Err(error) if error.exit_code() == i32::from(EXIT_OK) => {
            print(error.to_string().as_bytes())
        }
        Err(error) => refuse(one_line(&error, &words, &definition), &words, &definition),
    }
}

/// Refuses a command line; the log of a recording that it was to start hears of it.
fn refuse(fault: String, words: &[OsString], definition: &Command) -> Result<u8, Error> {
    let refused = Error::Usage(fault);
    if let Some(log_file) = log_file_of_start(words, definition) {
        log_refusal(&log_file, &refused);
    }
    Err(refused)
}

/// The log of a recording whose command line cannot be understood as a whole; none for a subcommand.
fn log_file_of_start(words: &[OsString], definition: &Command) -> Option<PathBuf> {
    if words.get(1).is_some_and(|word| definition.find_subcommand(word).is_some()) {
        return None;
    }
    let mut words = words.iter().map(|word| word.to_string_lossy());
    let named = words.find_map(|word| match word.strip_prefix("--log-file")? {
        "" => Some(None),
        value => value.strip_prefix('=').map(|path| Some(PathBuf::from(path))),
    });
    match named {
        Some(Some(path)) => Some(path),
        Some(None) => words.next().map(|path| PathBuf::from(&*path)),
        None => Some(PathBuf::from(DEFAULT_LOG_FILE)),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::CommandLine;

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    /// A longer line would be broken in the middle of a sentence, and its rest would stand alone.
    #[test]
    fn the_words_behind_the_options_fit_the_width_of_the_help() {
        let command = CommandLine::command();
        for command in command.get_subcommands().chain([&command]) {
            let words = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in words.lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
            }
        }
    }

    #[test]
    fn help_and_version_are_printed() {
        for (line, expected) in [
            ("--help", "Exit codes:"),
            ("--version", "finnhub-stream 0."),
            ("-h", "--tickers"),
            ("help", "  generate "),
            ("--help", "  help "),
            ("help verify", "Exit codes:"),
        ] {
            let words = std::iter::once("finnhub-stream").chain(line.split(' '));
            let error = CommandLine::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 0);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
