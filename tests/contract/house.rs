//! The rules of the house, checked in the source itself: which folder may import which, and which may
//! do what; and that the README and `--help` name the same options.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A source file without its tests.
struct Source {
    path: PathBuf,
    /// Its folder below `src`, or its own name when it is directly there.
    folder: String,
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
    Source { path, folder: name, text: code.collect::<Vec<_>>().join("\n") }
}

/// The folders that `text` imports: `crate::folder`, and each of `crate::{folder, folder::thing}`.
fn folders_imported(text: &str) -> BTreeSet<String> {
    let mut imported = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(inside) => inside.split('}').next().unwrap_or_default(),
            None => {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
            }
        };
        let names = list.split(',').map(|name| name.split("::").next().unwrap_or_default().trim());
        imported.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    imported
}

#[test]
fn a_folder_imports_only_from_those_below_it_in_the_map() {
    assert_eq!(
        folders_imported("use crate::{app, verify::run}; crate::error::Error"),
        ["app", "error", "verify"].map(str::to_owned).into()
    );
    let map = fs::read_to_string(root().join("lib.rs")).expect("the map");
    let mut heights = BTreeMap::new();
    for row in map.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let (height, names) = row.split_once(" | ").expect("two cells");
        let Ok(height) = height.parse::<u32>() else { continue };
        // The names of a row are between backticks; so may be others in its last cell.
        let names = names.split(" |").next().unwrap_or_default().split('`').skip(1).step_by(2);
        heights.extend(names.map(|name| (name.trim_end_matches(".rs").to_owned(), height)));
    }
    for Source { folder, text, .. } in sources() {
        for imported in folders_imported(&text).into_iter().filter(|imported| *imported != folder) {
            let (here, there) = (heights[&folder], heights[&imported]);
            assert!(there < here, "{folder} ({here}) imports {imported} ({there})");
        }
    }
}

#[test]
fn the_methods_of_a_type_stand_in_its_file() {
    assert_eq!(own_methods("\nimpl<R: Read> Rows<R> {\n\nimpl Display for Row {\n"), ["Rows"]);
    for Source { path, text, .. } in sources() {
        for name in own_methods(&text) {
            let defines = |kind| text.contains(&format!("{kind} {name}"));
            assert!(
                defines("struct") || defines("enum"),
                "methods of {name} stand in {}",
                path.display()
            );
        }
    }
}

/// The types to which `text` gives methods of their own.
fn own_methods(text: &str) -> Vec<&str> {
    let blocks = text.split("\nimpl").skip(1).filter_map(|block| block.split_once(" {\n"));
    let heads = blocks.map(|(head, _)| head).filter(|head| !head.contains(" for "));
    let names = heads.map(|head| head.rsplit_once("> ").map_or(head, |(_, name)| name));
    names.filter_map(|name| name.trim().split('<').next()).collect()
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let use_tree = "super::{a, b::{C, d}}";
    assert_eq!(paths(use_tree), ["super::a", "super::b::C", "super::b::d"]);
    let sources: BTreeMap<String, String> =
        sources().into_iter().map(|source| (module(&source.path), source.text)).collect();
    let modules: Vec<&String> = sources.keys().collect();
    let imports = modules.iter().map(|name| {
        let text = format!("\n{}", sources[*name]);
        let uses = text.split("\nuse ").skip(1);
        let imported = uses.flat_map(|text| paths(text.split(';').next().unwrap_or_default()));
        let imported = imported.filter_map(|path| resolved(name, &path, &modules));
        ((*name).clone(), imported.collect())
    });
    let mut imports: BTreeMap<String, BTreeSet<String>> = imports.collect();
    // Those that import nothing that is left are taken out, until no more are.
    let mut before = 0;
    while before != imports.len() {
        before = imports.len();
        let left: BTreeSet<String> = imports.keys().cloned().collect();
        imports.retain(|name, of| of.iter().any(|other| other != name && left.contains(other)));
    }
    assert!(imports.is_empty(), "a circle, or what imports from one: {imports:#?}");
}

/// `feed/session` for `src/feed/session/mod.rs`.
fn module(path: &Path) -> String {
    let name = path.strip_prefix(root()).expect("below the root").with_extension("");
    let name = name.to_str().expect("a plain name");
    name.strip_suffix("/mod").unwrap_or(name).to_owned()
}

/// The single paths of what follows `use`.
fn paths(tree: &str) -> Vec<String> {
    let Some((before, inside)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inside = inside.trim_end().strip_suffix('}').expect("a closing brace");
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in inside.chars() {
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().expect("a part").push(letter),
        }
        depth += i32::from(letter == '{') - i32::from(letter == '}');
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(&format!("{}{}", before.trim(), part.trim()))).collect()
}

/// The module that a path leads to from `here`, if it is one of ours.
fn resolved(here: &str, path: &str, modules: &[&String]) -> Option<String> {
    let mut parts: Vec<&str> = here.split('/').collect();
    for part in path.split("::") {
        match part {
            "crate" => parts.clear(),
            "super" => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut prefixes = (1..=parts.len()).rev().map(|length| parts[..length].join("/"));
    prefixes.find(|prefix| modules.contains(&prefix))
}

/// Fails when a word is in a file that is not below the folders given.
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
fn only_the_recorder_and_ship_write_files_and_others_replace_them_as_a_whole() {
    only_in(
        // And `generate react`, which records nothing.
        &["recorder", "recording/paths.rs", "ship", "dashboard/react_package.rs"],
        &["OpenOptions", "File::create", "fs::write", "fs::rename"],
    );
}

/// What is done elsewhere is in no trace, and so in no simulated power cut. The log promises nothing,
/// and an inspection removes what it has made.
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
    for Source { path, folder, text } in sources() {
        let may = ["disk.rs", "log_file.rs", "inspect.rs"].iter().any(|name| path.ends_with(name));
        let text = text.replace("DiskFile::", "");
        let found = words.iter().find(|word| text.contains(*word));
        assert!(may || folder != "recorder" || found.is_none(), "{} has {found:?}", path.display());
    }
}

#[test]
fn only_the_connection_and_the_simulator_name_the_websocket_library() {
    only_in(&["feed/connection", "simulator"], &["tungstenite"]);
}

#[test]
fn the_simulator_writes_its_messages_without_the_decoder() {
    for Source { path, folder, text } in sources() {
        let imports = folder == "simulator" && text.contains("protocol::message");
        assert!(!imports, "{} imports the decoder: a shared mistake could hide", path.display());
    }
}

#[test]
fn the_key_is_revealed_only_to_the_server() {
    only_in(&["feed/api_key.rs", "feed/connection"], &["reveal_to_server"]);
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
    let (start, picture) = (readme.find("\n## "), readme.find("](src/dashboard/page.png)"));
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
