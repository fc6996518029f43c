//! From what the command line asks for to who does it, and to the exit code.
//!
//! Main thread. Standard output belongs to the answers of `verify`, `check`, `--help` and
//! `generate`; who reads them may go away at any time, and that is no error worth a line.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cli::Task;
use crate::config::settings::Settings;
use crate::error::{EXIT_CANNOT_GO_ON, EXIT_OK, Error};
use crate::simulator::simulate;
use crate::verify::VerifyError;
use crate::{app, check, ship, verify};

/// Does `task`; gives the exit code when nothing more needs to be said.
///
/// # Errors
/// When the task could not be done.
pub fn perform(task: Task) -> Result<u8, Error> {
    match task {
        Task::Print(text) => {
            // `--help | head -1` closes the pipe early, and that is fine.
            let _ = io::stdout().write_all(&text);
            Ok(EXIT_OK)
        }
        Task::Stream(asked) => app::stream(Settings::resolve(asked)?).map(|()| EXIT_OK),
        Task::Verify { files, json } => verify_files(&files, json),
        Task::Check(plan) => {
            let all_well = check::run(&plan, &mut io::stdout().lock())?;
            Ok(if all_well { EXIT_OK } else { EXIT_CANNOT_GO_ON })
        }
        #[cfg(feature = "dashboard")]
        Task::WriteReactPackage { directory, force } => {
            let told = crate::dashboard::react_package::write(&directory, force)?;
            let _ = io::stdout().write_all(told.as_bytes());
            Ok(EXIT_OK)
        }
        Task::Ship(options) => ship::run(&options),
        Task::Simulate { listen, options } => simulate(listen, options).map(|()| EXIT_OK),
    }
}

fn verify_files(files: &[PathBuf], json: bool) -> Result<u8, Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match verify::run(files, json, &mut out, &mut io::stderr()) {
        Ok(true) => Ok(EXIT_OK),
        // What is wrong stands in the report.
        Ok(false) => Ok(EXIT_CANNOT_GO_ON),
        // Nobody reads on. Not everything was looked at, so it is not known to be well.
        Err(VerifyError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(EXIT_CANNOT_GO_ON)
        }
        Err(error) => Err(Error::CannotGoOn(error.to_string())),
    }
}
