//! The subcommands: `verify`, `check`, `bars`, `ship`, `simulate` and
//! `generate`.
//!
//! Main thread.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Command, Subcommand};

use crate::bars::{self, BarsOptions};
use crate::check::{self, CheckArguments};
use crate::config::values::address;
use crate::generate::Generated;
use crate::process::error::{EXIT_CANNOT_GO_ON, EXIT_OK, Error, answer_not_written};
use crate::ship::{self, ShipOptions};
use crate::simulator::{SimulatorOptions, faults_help, simulate};
use crate::verify;

const VERIFY_HELP: &str = "\
A recording is compressed (.gz) or not. One that is being recorded is read up to its last whole
row; a torn row at the end of any other is malformed. Its ledger, which stands beside it
(op1.coverage.csv), says what was covered and what is missing. Several files of one recording, such
as op1-*.csv.gz op1.csv, also get a line for each UTC day: rows, covered, missing, worst gap.

Exit codes:
  0    every file could be read and every row is well-formed
  1    not so";

const CHECK_HELP: &str = "\
One line for each step, with what to do where one fails. Nothing is recorded and no file is left
behind or changed. Finnhub allows one connection per key: a recorder elsewhere that uses the same
key may lose its connection for a moment.

Exit codes:
  0    everything is ready
  1    something is not";

const BARS_HELP: &str = "\
Standard output is CSV: ticker,time_ms,open,high,low,close,volume,trades,covered_ms. time_ms is
the beginning of the bar, UTC; prices are the digits of a trade, the volume is an exact sum.
covered_ms is how much of the bar the ledger beside the recording calls recorded for this symbol;
less than the length of a bar means that some of it was missed. It is empty where there is no
ledger.

Odd lots and trades at average prices add volume only; late trades set high and low, and open and
close only where no other trade does; official opening and closing prices count nothing. A row of
volume 0 is a price for forex and CFDs, whose rows all have volume 0, and in no bar for US shares.
A bar takes trades until two hours of the receiving clock after its end. Daily bars are UTC days;
what trades after 20:00 in New York belongs to the trade date of the next day.

  finnhub-stream bars op1-*.csv.gz op1.csv --every 5m --hours regular > bars.csv

--follow goes on with the last FILE, whether somebody records to it now or only later, through
rotation and compression, until Ctrl-C or SIGTERM. A bar is printed when its end is --grace past,
and again, whole, when a late trade or the ledger changes it: the last row of a bar counts. One
that has not ended is not printed. A file that somebody empties or changes is an error.

Exit codes:
  0    all files were read to their ends, and every row is well-formed; with --follow, stopped
       as asked
  1    not so, or the bars could not be written
  130  a second Ctrl-C";

const SHIP_HELP: &str = "\
Each batch of whole rows goes to a new CMD on its standard input. Exit code 0 with everything read
means accepted; anything else, and the same batch comes again, after a pause of up to a minute.
In CMD's environment: FINNHUB_STREAM_BATCH (an id, the same at every repetition and for no other
batch), FINNHUB_STREAM_AFTER (the id of the batch before), FINNHUB_STREAM_ROWS, FINNHUB_STREAM_FILE.
How far it has come stands in FILE.ship-NAME.

  finnhub-stream generate ship-postgres > ship-postgres && chmod +x ship-postgres
  finnhub-stream ship op1.csv --name warehouse -- ./ship-postgres

Exit codes:
  0    stopped as asked; with --once, everything is shipped
  1    could not begin or go on
  2    wrong usage
  130  a second Ctrl-C";

#[derive(Debug, Subcommand)]
pub(super) enum Subcommands {
    /// Say what is in recordings, and whether they are whole
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// Recordings, such as op1.csv or op1-2026-11-23.csv.gz
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// One JSON object: counts as numbers, times in UNIX milliseconds
        #[arg(long)]
        json: bool,
    },
    /// Try everything that recording needs, and say how to mend what fails
    #[command(after_help = CHECK_HELP)]
    Check(CheckArguments),
    /// Make candles of recordings, and say how much of each was recorded
    #[command(after_help = BARS_HELP)]
    Bars(BarsOptions),
    /// Bring a recording to a command, batch by batch, with nothing lost on the way
    #[command(after_help = SHIP_HELP)]
    Ship(ShipOptions),
    /// Be a server like Finnhub's, with a simulated market; any Finnhub client can connect
    #[command(after_help = faults_help())]
    Simulate {
        /// Address and port to listen on; port 0 takes any free one
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9000", value_parser = address)]
        listen: SocketAddr,
        #[command(flatten)]
        options: SimulatorOptions,
    },
    /// Print loaders and commands for ship, completions, the man page; write the React package
    #[command(subcommand, disable_help_subcommand = true, arg_required_else_help = false)]
    Generate(Generated),
}

impl Subcommands {
    /// Runs it; gives the exit code. `definition` is that of the whole command line.
    ///
    /// # Errors
    /// That of the subcommand; for `generate`, a text or a file that cannot be written.
    pub(super) fn run(self, definition: Command) -> Result<u8, Error> {
        match self {
            Self::Verify { files, json } => {
                let mut out = io::BufWriter::new(io::stdout().lock());
                verify::run(&files, json, &mut out, &mut io::stderr()).map(exit_code)
            }
            Self::Check(arguments) => {
                check::run(arguments, &mut io::stdout().lock()).map(exit_code)
            }
            Self::Bars(options) => {
                bars::run(&options, io::stdout().lock(), &mut io::stderr()).map(exit_code)
            }
            Self::Ship(options) => ship::run(&options),
            Self::Simulate { listen, options } => simulate(listen, options).map(|()| EXIT_OK),
            Self::Generate(what) => what.text(definition).and_then(|text| print(&text)),
        }
    }
}

/// The faults have been printed by then.
fn exit_code(all_well: bool) -> u8 {
    if all_well { EXIT_OK } else { EXIT_CANNOT_GO_ON }
}

/// Writes `text` to standard output.
///
/// # Errors
/// When it cannot be written, unless the reader has gone away.
pub(super) fn print(text: &[u8]) -> Result<u8, Error> {
    let mut out = io::stdout();
    let written = out.write_all(text).and_then(|()| out.flush());
    written.or_else(|error| answer_not_written(&error)).map(|()| EXIT_OK)
}
