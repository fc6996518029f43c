//! The command `finnhub-stream`: parse, run, one error line, exit code.

use std::io::Write;
use std::process::ExitCode;

use finnhub_stream::app;
use finnhub_stream::cli::{self, Task};
use finnhub_stream::error::{EXIT_OK, Error};
use finnhub_stream::settings::Settings;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            // Standard error may be gone; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), Error> {
    match cli::parse(std::env::args_os())? {
        Task::Print(text) => {
            // `--help | head -1` closes the pipe early, and that is fine.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
        Task::Stream(asked) => app::stream(Settings::resolve(asked)?),
    }
}
