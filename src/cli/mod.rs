//! The command line: its words, its help, its errors on one line, and who does what is asked for.
//!
//! Main thread. Standard output belongs to the answers of `verify`, `check`, `--help` and
//! `generate`; who reads them may go away at any time, and that is no error worth a line.

mod subcommands;

use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, Write};

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::app;
use crate::config::{RecordArguments, Settings};
use crate::error::{EXIT_OK, Error, printable};
use subcommands::Subcommands;

const EXAMPLES: &str = "\
Examples:
  finnhub-stream --demo                           see it work, without a key: in demo.csv
  finnhub-stream --demo --dashboard               watch it in the browser
  finnhub-stream check                            is everything ready for the real one?
  finnhub-stream --tickers AAPL,BINANCE:BTCUSDT   record into op1.csv
  finnhub-stream verify op1.csv                   is the recording whole?
  finnhub-stream ship op1.csv --name db -- psql -f load.sql   into an engine, nothing lost

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
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(flatten)]
    record: RecordArguments,
    #[command(subcommand)]
    instead: Option<Subcommands>,
}

/// Does what the command line asks for; gives the exit code when nothing more needs to be said.
///
/// # Errors
/// When the command line is wrong, or what it asks for could not be done.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, Error> {
    match CommandLine::try_parse_from(arguments) {
        Ok(CommandLine { instead: Some(subcommand), .. }) => subcommand.run(),
        Ok(CommandLine { record, instead: None }) => {
            app::record(&Settings::resolve(record)?).map(|()| EXIT_OK)
        }
        // Help and version are errors to clap.
        Err(error) if error.exit_code() == i32::from(EXIT_OK) => {
            Ok(print(error.to_string().as_bytes()))
        }
        Err(error) => Err(Error::Usage(one_line(&error))),
    }
}

/// `--help | head -1` closes the pipe early, and that is fine.
fn print(text: &[u8]) -> u8 {
    let _ = io::stdout().write_all(text);
    EXIT_OK
}

/// A value that is refused is told in our own words. Otherwise clap explains over several lines; its
/// first ones say all, the rest is the usage.
fn one_line(error: &clap::Error) -> String {
    if let (ErrorKind::ValueValidation, Some(why)) = (error.kind(), error.source())
        && let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg)
        && let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
    {
        // `--fsync <always|INTERVAL|never>`, `--dashboard[=<ADDR:PORT>]`
        let option = option.split([' ', '[']).next().unwrap_or_default();
        let needs_quotes = value.is_empty() || value.contains(char::is_whitespace);
        let quote = if needs_quotes { "\"" } else { "" };
        let value = printable(value, 200);
        return format!("{option} {quote}{value}{quote}: {why}; see --help");
    }
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let told = told.join("; ").replace(":; ", ": ");
    let told = told
        .trim_start_matches("error: ")
        .trim_end_matches("; For more information, try '--help'.");
    format!("{}; see --help", printable(told, usize::MAX))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{CommandLine, one_line};

    fn refused(line: &str) -> clap::Error {
        let words = std::iter::once("finnhub-stream").chain(line.split(' '));
        CommandLine::try_parse_from(words).expect_err(line)
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn help_and_version_are_printed() {
        for (line, expected) in
            [("--help", "Exit codes:"), ("--version", "finnhub-stream 0."), ("-h", "--tickers")]
        {
            let error = refused(line);
            assert_eq!(error.exit_code(), 0);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_fits_one_line() {
        for line in [
            "--tickrs A",
            "--out",
            "-q -v",
            "--demo --url ws://localhost",
            "--fsync",
            "x",
            "verify",
            "-t A verify x.csv",
            "simulate --listen nowhere",
            "simulate --faults rest",
            "simulate --speed 2",
            "simulate --replay x.csv --rate 1",
            "simulate --rate x",
            "simulate --ping-every 0",
            "simulate --max-symbols 0",
            "generate",
            "generate tcsh",
            "generate react",
            "generate bash x",
            "-t A --dashboard-origin http://localhost:5173",
        ] {
            let message = one_line(&refused(line));
            assert!(!message.contains('\n') && message.ends_with("see --help"), "{message}");
            assert!(!message.starts_with("error"), "{message}");
        }
    }

    #[test]
    fn a_value_that_is_refused_is_named_with_its_option() {
        for (line, expected) in [
            ("--tickers AAPL,", "--tickers \"\": a symbol is empty; "),
            ("-t A\u{1b}B", "--tickers A\\u{1b}B: the symbol "),
            ("--fsync sometimes", "--fsync sometimes: give always, never, or an interval"),
            ("--dashboard=here", "--dashboard here: give an address and a port, like "),
            ("--rotate weekly", "--rotate weekly: give never, hourly or daily; see --help"),
        ] {
            let message = one_line(&refused(line));
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
