//! Where the API key comes from: the environment, or the nearest `.env` file.
//!
//! Main thread, before anything is started.

use std::cell::LazyCell;
use std::env::{self, VarError};
use std::os::unix::fs::PermissionsExt;

use super::dot_env::{DotEnv, is_pipe};
use crate::feed::{ApiKey, GET_A_KEY, KeySource};
use crate::process::child::KEY_VARIABLES;

/// Finds the key: each variable in the environment first, then in `.env`.
///
/// # Errors
/// When there is no key, or its text cannot be a key: one line with the fault and what to do.
pub(crate) fn find_key() -> Result<ApiKey, String> {
    // Read only when it is needed: a password manager may ask the user first.
    let file = LazyCell::new(DotEnv::find);
    for variable in KEY_VARIABLES {
        let in_file = || {
            let file = file.as_ref()?;
            let value = file.value(variable)?.to_owned();
            Some((value, KeySource::DotEnv(file.path.clone())))
        };
        let found = match env::var(variable) {
            Ok(value) => Some((value, KeySource::Environment)),
            Err(VarError::NotUnicode(_)) => {
                let place = KeySource::Environment;
                return Err(format!(
                    "the API key in {variable} (from {place}) is not UTF-8 text; set it anew"
                ));
            }
            Err(VarError::NotPresent) => in_file(),
        };
        if let Some((value, place)) = found {
            return ApiKey::new(value, variable, place);
        }
    }
    let why = match file.as_ref() {
        Some(DotEnv { path, fault: Some(fault), .. }) => format!("{} {fault}", path.display()),
        _ => "set FINNHUB_API_KEY (or API_KEY) in the environment or in a .env file".to_owned(),
    };
    Err(format!("no API key: {why}; {GET_A_KEY}"))
}

/// What to warn of about the file that the key is in: others can read it, or it is a pipe, which can be read
/// only once.
pub(crate) fn oddity_of(key: &ApiKey) -> Option<String> {
    let KeySource::DotEnv(path) = key.source() else { return None };
    let shown = path.display();
    if is_pipe(path) {
        return Some(format!(
            "{shown} is a pipe; it was read once, and a later change does not count"
        ));
    }
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o044 != 0).then(|| {
        format!("{shown} holds the API key and others can read it; run: chmod 600 {shown}")
    })
}
