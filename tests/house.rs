//! The rules of the house, checked in the source itself: who may know whom, who may do what; and
//! that the README and `--help` name the same options.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How high each folder lies; it may import only from those below it, so that there is no circle. The
/// tens are the floors of the crate's documentation.
const HEIGHTS: &[(&str, u8)] = &[
    // The crate's own file lists the folders and imports none.
    ("lib", 90),
    ("finnhub_stream", 90),
    ("main", 80),
    ("cli", 70),
    ("app", 61),
    ("verify", 60),
    ("check", 60),
    ("ship", 60),
    ("simulator", 60),
    ("config", 50),
    ("terminal", 42),
    ("dashboard", 42),
    ("on_event", 42),
    ("logging", 41),
    ("recorder", 40),
    ("feed", 30),
    ("channel", 20),
    ("status", 11),
    ("protocol", 10),
    ("rows", 1),
    ("threads", 1),
    ("stop_signals", 1),
    ("text", 1),
    ("log_limit", 0),
    ("clock", 0),
    ("error", 0),
];

fn height(room: &str) -> u8 {
    let found = HEIGHTS.iter().find(|(name, _)| *name == room);
    found.unwrap_or_else(|| panic!("{room} is a new folder: give it a height in tests/house.rs")).1
}

/// A source file without its tests.
struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && path.ends_with("tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !path.ends_with("tests.rs")
            {
                found.push(source(&root, path));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn source(root: &Path, path: PathBuf) -> Source {
    let inside = path.strip_prefix(root).expect("below the root");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
    let name = first.trim_end_matches(".rs").to_owned();
    let whole = fs::read_to_string(&path).expect("a readable source");
    let product = whole.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    Source { path, room: name, text: code.collect::<Vec<_>>().join("\n") }
}

/// The rooms that `text` names: `crate::room`, and each of `crate::{room, room::thing}`.
fn rooms_known(text: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default(),
            None => {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
            }
        };
        let names = list.split(',').map(|name| name.split("::").next().unwrap_or_default().trim());
        known.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    known
}

#[test]
fn folders_import_only_from_those_below_them() {
    assert_eq!(
        rooms_known("use crate::{app, verify::run}; crate::error::Error"),
        ["app", "error", "verify"].map(str::to_owned).into()
    );
    for Source { path, room, text } in sources() {
        for known in rooms_known(&text) {
            let allowed = known == room || height(&known) < height(&room);
            assert!(allowed, "{} knows {known}, which is not below it", path.display());
        }
    }
}

/// Fails unless each word stands only below the folders given.
fn only_in(folders: &[&str], words: &[&str]) {
    let mut seen = false;
    for Source { path, text, .. } in sources() {
        let may = folders.iter().any(|folder| path.starts_with(root().join(folder)));
        for word in words {
            let found = text.contains(word);
            seen |= found;
            assert!(!found || may, "{} has {word}", path.display());
        }
    }
    assert!(seen, "{words:?} are nowhere: the test looks for the wrong thing");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn only_the_recorder_writes_files_and_the_tickers_file_and_ship_their_own() {
    only_in(
        // And `generate react`, which records nothing.
        &["recorder", "config/tickers_file.rs", "ship", "dashboard/react_package.rs"],
        &["OpenOptions", "File::create", "fs::write", "fs::rename"],
    );
}

/// What goes past it is in no trace, and so in no simulated power cut. The log promises nothing, and
/// a preflight leaves nothing behind.
#[test]
fn the_recorder_changes_the_disk_in_one_place() {
    let words = [
        "OpenOptions",
        "File::create",
        "fs::write",
        "fs::copy",
        "fs::rename",
        "fs::remove",
        "fs::hard_link",
        "sync_all",
        "sync_data",
        "write_all_at",
    ];
    for Source { path, room, text } in sources() {
        let may =
            ["disk.rs", "log_file.rs", "preflight.rs"].iter().any(|name| path.ends_with(name));
        let text = text.replace("DiskFile::", "");
        let found = words.iter().find(|word| text.contains(*word));
        assert!(may || room != "recorder" || found.is_none(), "{} has {found:?}", path.display());
    }
}

#[test]
fn only_the_connection_and_the_simulator_name_the_websocket_library() {
    only_in(&["feed/connection", "simulator"], &["tungstenite"]);
}

#[test]
fn the_simulator_spells_its_messages_without_the_room_that_reads_them() {
    for Source { path, room, text } in sources() {
        let knows = room == "simulator" && text.contains("protocol::message");
        assert!(!knows, "{} knows the decoder: a shared mistake could hide", path.display());
    }
}

#[test]
fn the_key_is_revealed_only_to_the_server() {
    only_in(&["feed/api_key.rs", "feed/connection"], &["reveal_to_server"]);
}

#[test]
fn main_holds_no_logic() {
    let main = sources().into_iter().find(|source| source.room == "main").expect("main.rs");
    assert!(main.text.lines().count() <= 30);
}

/// Every `--option` in the first cell of a table row, or in a line of help that begins with one.
fn options(lines: impl Iterator<Item = String>) -> BTreeSet<String> {
    lines
        .flat_map(|line| {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '-').map(str::to_owned);
            words.collect::<Vec<_>>()
        })
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .collect()
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    fs::read_to_string(path).expect("the README")
}

#[test]
fn blocks_of_the_readme_say_their_language_so_that_they_can_be_copied() {
    let readme = readme();
    let parts: Vec<&str> = readme.split("```").collect();
    for (number, part) in parts.iter().enumerate() {
        if number % 2 == 1 {
            assert!(part.starts_with(|c: char| c.is_ascii_lowercase()), "no language: {part}");
        } else {
            let indented = part.lines().find(|line| line.starts_with("    "));
            assert_eq!(indented, None, "a block without a fence");
        }
    }
    assert!(parts.len() > 40, "the blocks were not found");
}

#[test]
fn the_readme_begins_with_a_picture_that_is_there_and_small() {
    let readme = readme();
    let (start, picture) = (readme.find("## Start"), readme.find("](src/dashboard/page.png)"));
    assert!(
        picture.is_some() && picture < start,
        "the picture at {picture:?}, the start {start:?}"
    );
    let size = fs::metadata(root().join("dashboard/page.png")).expect("the picture").len();
    assert!(size < 150_000, "{size} bytes");
}

#[test]
fn the_readme_and_the_help_name_the_same_options() {
    let help = Command::new(env!("CARGO_BIN_EXE_finnhub-stream")).arg("--help").output();
    let help = String::from_utf8(help.expect("the help").stdout).expect("text");
    let in_help = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let readme = readme();
    let table = readme.split("\n| option |").nth(1).expect("a table of options");
    let rows = table.lines().take_while(|line| line.starts_with('|') || line.contains("default"));
    let first_cells = rows.filter(|row| row.contains("`-")).map(|row| {
        // The cell may hold an escaped bar.
        row.replace("\\|", " ").split('|').nth(1).unwrap_or_default().to_owned()
    });
    let (in_help, in_readme) = (options(in_help.map(str::to_owned)), options(first_cells));
    assert!(in_help.len() > 10, "{in_help:?}");
    assert_eq!(in_readme, in_help);
}
