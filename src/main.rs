//! The command `finnhub-stream`: parse, run, one error line, exit code.

use std::io::Write;
use std::process::ExitCode;

use finnhub_stream::cli;
use finnhub_stream::process::error::Error;

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Standard error may be gone; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<u8, Error> {
    cli::run(std::env::args_os())
}
