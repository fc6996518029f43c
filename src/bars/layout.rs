//! How a file is laid out.
//!
//! Any thread. No I/O.

use crate::recording::columns::Column;

/// A file's columns and its header line.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    pub(super) header: Vec<u8>,
    /// Whether no ledger stands beside the file.
    pub(super) has_no_ledger: bool,
}

impl Layout {
    /// What is odd about it and no error.
    pub(super) fn notes(&self) -> Vec<String> {
        let has_conditions = self.columns.contains(&Column::Conditions);
        let note = "it has no conditions: every trade counts";
        if has_conditions { Vec::new() } else { vec![note.to_owned()] }
    }
}
