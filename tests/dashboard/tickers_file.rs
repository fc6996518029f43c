//! What a change from the page does to the tickers file, and to files of the user's beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::time::{Duration, Instant};

use crate::feed::{Feed, Line};
use crate::harness::Run;
use crate::http::request;
use crate::program::Program;
use crate::waiting::wait_until;

const LIST: &str = "tickers.txt";

/// Records `AAPL` and what `text` names, in the file [`LIST`].
fn record(feed: &Feed, run: Run, text: &str, count: usize) -> (Program, Line) {
    let run = run.url(&feed.url()).tickers("AAPL").file(LIST, text);
    let run = run.arg("-f").arg(LIST).arg("--dashboard=127.0.0.1:0");
    (Program::of(run), feed.accept(count))
}

fn change(program: &Program, method: &str, symbol: &str) {
    let answer = request(program.address(), method, &format!("/api/tickers/{symbol}"), "");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The names in the working directory that begin as the list does.
fn lists(program: &Program) -> Vec<String> {
    let names = fs::read_dir(program.path("")).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains(LIST)).collect();
    names.sort();
    names
}

#[test]
fn the_answer_to_a_change_says_what_is_odd_about_the_symbol() {
    let feed = Feed::start();
    let (program, _line) = record(&feed, Run::new(), "MSFT\n", 2);
    for (symbol, warnings) in [
        ("tsla", r#"["tsla: Finnhub's symbols are in capital letters; did you mean TSLA?"]"#),
        ("TSLA", "null"),
    ] {
        let path = format!("/api/tickers/{symbol}");
        let answer = request(program.address(), "PUT", &path, "");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["warnings"].to_string(), warnings, "{body}");
        assert!(body["tickers"].as_array().unwrap().contains(&symbol.into()), "{body}");
    }
}

#[test]
fn a_file_of_the_user_with_the_name_of_the_new_one_is_not_touched() {
    let feed = Feed::start();
    let run = Run::new().file("tickers.txt.new", "mine\n").file("tickers.txt.new-2", "mine\n");
    let (program, _line) = record(&feed, run, "MSFT\n", 2);
    change(&program, "PUT", "TSLA");
    assert_eq!(program.text_of(LIST), "MSFT\nTSLA\n");
    for name in ["tickers.txt.new", "tickers.txt.new-2"] {
        assert_eq!(program.text_of(name), "mine\n", "{name}");
    }
    assert_eq!(lists(&program), [LIST, "tickers.txt.new", "tickers.txt.new-2"]);
}

#[test]
fn a_link_stays_one_and_permissions_stay_also_when_the_file_behind_it_is_away() {
    let feed = Feed::start();
    let (program, _line) = record(&feed, Run::new().folder("lists"), "# mine\nMSFT\n", 2);
    let real = program.path("lists/real.txt");
    fs::rename(program.path(LIST), &real).unwrap();
    symlink("lists/real.txt", program.path(LIST)).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    change(&program, "PUT", "TSLA");
    assert_eq!(fs::read_to_string(&real).unwrap(), "# mine\nMSFT\nTSLA\n");
    assert_eq!(real.metadata().unwrap().mode() & 0o777, 0o640);
    fs::remove_file(&real).unwrap();
    change(&program, "DELETE", "MSFT");
    assert_eq!(fs::read_to_string(&real).unwrap(), "TSLA\n", "the link leads there still");
    assert!(fs::symlink_metadata(program.path(LIST)).unwrap().is_symlink());
    assert_eq!(lists(&program), [LIST]);
}

/// Who is not root cannot make a file there, but may write this one.
#[test]
fn in_a_folder_that_takes_no_new_file_it_is_written_in_place() {
    let feed = Feed::start();
    let (program, _line) = record(&feed, Run::new().folder("lists"), "MSFT\nTSLA\n", 3);
    let real = program.path("lists/real.txt");
    fs::rename(program.path(LIST), &real).unwrap();
    symlink("lists/real.txt", program.path(LIST)).unwrap();
    let folder =
        |mode| fs::set_permissions(program.path("lists"), fs::Permissions::from_mode(mode));
    folder(0o555).unwrap();
    change(&program, "DELETE", "TSLA");
    folder(0o755).unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), "MSFT\n");
}

#[test]
#[ignore = "needs root: gives the file to another user"]
fn owner_group_and_permissions_of_the_file_stay() {
    let feed = Feed::start();
    let (program, _line) = record(&feed, Run::new(), "MSFT\n", 2);
    let list = program.path(LIST);
    chown(&list, Some(1234), Some(2345)).unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o664)).unwrap();
    change(&program, "PUT", "TSLA");
    let found = list.metadata().unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1234, 2345, 0o664));
    assert_eq!(program.text_of(LIST), "MSFT\nTSLA\n");
}

/// As `docker run -v ./tickers.txt:/data/tickers.txt` does it: nothing can be renamed over it.
#[test]
#[ignore = "needs root: mounts the file"]
fn a_file_that_is_mounted_by_itself_is_written_in_place() {
    let feed = Feed::start();
    let mount = format!("mount --bind {LIST} {LIST} && exec \"$@\"");
    let run = Run::new().through(&["unshare", "--mount", "sh", "-c", &mount, "sh"]);
    let (program, _line) = record(&feed, run, "MSFT\n", 2);
    let before = program.path(LIST).metadata().unwrap().ino();
    for (method, symbol, text) in [("PUT", "TSLA", "MSFT\nTSLA\n"), ("DELETE", "MSFT", "TSLA\n")] {
        change(&program, method, symbol);
        assert_eq!(program.text_of(LIST), text);
    }
    assert_eq!(program.path(LIST).metadata().unwrap().ino(), before);
    assert_eq!(lists(&program), [LIST], "nothing is left behind");
}

#[test]
fn that_the_page_has_removed_its_last_symbol_is_no_reason_for_a_warning() {
    let feed = Feed::start();
    let (program, _line) = record(&feed, Run::new(), "# mine\nMSFT\n", 2);
    change(&program, "DELETE", "MSFT");
    assert_eq!(program.text_of(LIST), "# mine\n");
    // Time for two looks; nothing shows that they found nothing.
    let seen_twice = Instant::now() + Duration::from_secs(2);
    wait_until("two looks", Instant::now, |now| *now > seen_twice);
    fs::write(program.path(LIST), "# mine\nTSLA\n").unwrap();
    let said = wait_until("the change", || program.stderr(), |it| it.contains("has changed"));
    assert!(!said.contains("WARN"), "{said}");
    // Emptied by somebody else, it is one.
    fs::write(program.path(LIST), "# mine\n").unwrap();
    wait_until("the warning", || program.stderr(), |it| it.contains("names no symbol"));
}
