//! `generate`: texts that go with this version of the program: completions, the man page, the React package,
//! loaders for other tools, commands for `ship`.
//!
//! Main thread. The caller prints the texts. Only the React package is written to files, by
//! `dashboard::react_package`.

mod command_line;
mod loaders;
mod ship_scripts;

use clap::{Command, Subcommand};
use clap_complete::Shell;

use crate::process::error::Error;
use loaders::Loader;
use ship_scripts::ShipScript;

/// What `generate` makes.
#[derive(Debug, Subcommand)]
pub(crate) enum Generated {
    /// Print completions for bash
    Bash,
    /// Print completions for zsh
    Zsh,
    /// Print completions for fish
    Fish,
    /// Print completions for elvish
    Elvish,
    /// Print completions for PowerShell
    Powershell,
    /// Print the man page
    Man,
    /// Write the React package: the live chart, the table and the hooks under them
    #[cfg(feature = "dashboard")]
    React {
        /// Folder to write it to; made if it is not there
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,

        /// Write over files that differ
        #[arg(long)]
        force: bool,
    },
    #[command(flatten)]
    Loader(Loader),
    #[command(flatten)]
    ShipScript(ShipScript),
}

impl Generated {
    /// The text for standard output. `definition` is that of the whole command line.
    ///
    /// # Errors
    /// A man page that cannot be made, or a file of the React package that cannot be written.
    pub(crate) fn text(self, definition: Command) -> Result<Vec<u8>, Error> {
        let shell = match self {
            Self::Loader(loader) => return Ok(loader.text().into()),
            Self::ShipScript(script) => return Ok(script.text().into()),
            Self::Bash => Shell::Bash,
            Self::Zsh => Shell::Zsh,
            Self::Fish => Shell::Fish,
            Self::Elvish => Shell::Elvish,
            Self::Powershell => Shell::PowerShell,
            Self::Man => return command_line::man_page(definition),
            #[cfg(feature = "dashboard")]
            Self::React { directory, force } => {
                let how_to_go_on = crate::dashboard::react_package::write(&directory, force)?;
                return Ok(how_to_go_on.into_bytes());
            }
        };
        Ok(command_line::completions(shell, definition))
    }
}
