//! Completions and the man page, from the definition of the command line.
//!
//! Main thread; no I/O.

use clap::Command;
use clap_complete::Shell;

use crate::process::error::{Error, cannot_go_on};

/// What `shell` completes after `finnhub-stream`.
pub(super) fn completions(shell: Shell, mut definition: Command) -> Vec<u8> {
    let mut text = Vec::new();
    let name = definition.get_name().to_owned();
    clap_complete::generate(shell, &mut definition, name, &mut text);
    text
}

/// The man page.
///
/// # Errors
/// When it cannot be made.
pub(super) fn man_page(definition: Command) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    clap_mangen::Man::new(definition)
        .render(&mut text)
        .map_err(|error| cannot_go_on(format_args!("no man page: {error}")))?;
    Ok(text)
}
