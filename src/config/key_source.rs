//! Where the API key comes from: the environment, or the nearest `.env` file.
//!
//! Main thread, before anything is started.

use std::env::{self, VarError};
use std::fs;
use std::path::PathBuf;

use crate::feed::{ApiKey, KeySource, VARIABLES};
use crate::text::in_words;

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Finds the key: each variable in the environment first, then in `.env`.
///
/// # Errors
/// When there is no key, or what is there cannot be one: what is wrong and how to go on, in a line.
pub(crate) fn find_key() -> Result<ApiKey, String> {
    find().map_err(|fault| {
        format!(
            "{fault}; get a free key at https://finnhub.io/register, or try --demo, which needs none"
        )
    })
}

fn find() -> Result<ApiKey, String> {
    let file = DotEnv::find();
    for variable in VARIABLES {
        let in_file = || {
            let file = file.as_ref()?;
            let (_, value) = file.values.iter().find(|(name, _)| name == variable)?;
            Some((value.clone(), KeySource::DotEnv(file.path.clone())))
        };
        let found = match env::var(variable) {
            Ok(value) => Some((value, KeySource::Environment)),
            // A blank is refused as this value has to be.
            Err(VarError::NotUnicode(_)) => Some((" ".to_owned(), KeySource::Environment)),
            Err(VarError::NotPresent) => in_file(),
        };
        if let Some((value, place)) = found {
            return ApiKey::new(value, variable, place);
        }
    }
    Err(match file {
        Some(DotEnv { path, fault: Some(fault), .. }) => {
            format!("no API key: {} {fault}", path.display())
        }
        _ => "no API key: set FINNHUB_API_KEY (or API_KEY) in the environment or in a .env file"
            .to_owned(),
    })
}

/// A warning, when others can read the file that the key is in.
#[cfg(unix)]
pub(crate) fn readable_by_others(key: &ApiKey) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let KeySource::DotEnv(path) = key.source() else { return None };
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o044 != 0).then(|| {
        format!("{} holds the API key and others can read it; run: chmod 600 {0}", path.display())
    })
}

/// The nearest `.env` file, here or in a parent directory.
struct DotEnv {
    path: PathBuf,
    values: Vec<(String, String)>,
    /// What is wrong with it.
    fault: Option<String>,
}

impl DotEnv {
    fn find() -> Option<Self> {
        let here = env::current_dir().ok()?;
        let path =
            here.ancestors().map(|directory| directory.join(".env")).find(|path| path.is_file())?;
        let mut file = Self { path, values: Vec::new(), fault: None };
        match fs::read_to_string(&file.path) {
            Ok(text) => file.read(text.trim_start_matches(BYTE_ORDER_MARK)),
            Err(error) => file.fault = Some(format!("cannot be read ({})", in_words(&error))),
        }
        Some(file)
    }

    /// Takes the values, also those behind a line that is none. A fault is reported with the number
    /// of its line and not with its text, which may be the key.
    fn read(&mut self, text: &str) {
        for line in dotenvy::from_read_iter(text.as_bytes()) {
            match line {
                Ok(pair) => self.values.push(pair),
                Err(error) => {
                    let line = line_number(text, &error);
                    let fault = format!("has a line that is not NAME=value: line {line}");
                    self.fault.get_or_insert(fault);
                }
            }
        }
    }
}

/// The line that `error` is about, from 1.
fn line_number(text: &str, error: &dotenvy::Error) -> usize {
    let dotenvy::Error::LineParse(wrong, _) = error else { return 1 };
    let at = text.find(wrong.as_str()).unwrap_or_default();
    text[..at].matches('\n').count() + 1
}
