//! Texts of the server in the log: errors, and messages of types that are not recorded.
//!
//! Main thread.

use std::collections::HashSet;

use log::{info, warn};

use crate::feed::api_key::ApiKey;
use crate::feed::subscriptions::FREE_PLAN_SYMBOLS;
use crate::protocol::message;
use crate::text::clock::now_ms;
use crate::text::log_limit::LogLimit;
use crate::text::printable;

/// Characters of a server's text that are logged.
pub(super) const SHOWN_CHARACTERS: usize = 200;

/// Unknown message types that are logged, each once; Finnhub has two.
const LOGGED_TYPES: usize = 32;

/// Remembers what was logged, so that nothing fills the log.
pub(super) struct ServerLog {
    key: ApiKey,
    types: HashSet<String>,
    limit: LogLimit,
    /// Whether the server has said that it delivers no more symbols, and this was logged, since new
    /// symbols were last asked for.
    pub(super) told_too_many: bool,
}

impl ServerLog {
    /// Nothing logged yet.
    pub(super) fn new(key: ApiKey) -> Self {
        Self { key, types: HashSet::new(), limit: LogLimit::default(), told_too_many: false }
    }

    /// Logs an error of the server.
    pub(super) fn error(&mut self, message: &str) {
        let too_many = message::is_too_many_symbols(message);
        // One for each symbol above the server's limit; it does not say which.
        let is_told = too_many && std::mem::replace(&mut self.told_too_many, true);
        if !is_told && self.limit.allows(now_ms(), "the server's errors") {
            let shown = self.shown(message);
            let advice = too_many.then(|| {
                format!("; it sends no trades of some (the free plan has {FREE_PLAN_SYMBOLS})")
            });
            warn!("the server says: {shown}{}", advice.unwrap_or_default());
        }
    }

    /// Logs that messages of this type are not recorded, once.
    pub(super) fn unknown_type(&mut self, kind: &str) {
        let kind = self.shown(kind);
        if self.types.len() < LOGGED_TYPES && self.types.insert(kind.clone()) {
            info!("messages of type {kind} are not recorded");
        }
    }

    /// A text of the server for the log. The key is taken out before the text is shortened, because a part of the
    /// key would not be found.
    fn shown(&self, text: &str) -> String {
        printable(&self.redact(text), SHOWN_CHARACTERS)
    }

    /// The text without the key.
    pub(super) fn redact(&self, text: &str) -> String {
        self.key.redact(text)
    }
}
