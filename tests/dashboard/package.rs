//! The React package as files: written by `generate react` and served as `/react.tgz`; and that
//! pages of a named origin, and only those, may read what it needs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::http::{Answer, connect, get, request};
use crate::program::Program;

fn generate(directory: &Path, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_finnhub-stream");
    let mut command = Command::new(program);
    command.args(["generate", "react"]).arg(directory).args(more).output().unwrap()
}

fn written(directory: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

fn served(program: &Program) -> BTreeMap<String, String> {
    let address = program.address();
    let mut stream = connect(address);
    let ask = format!("GET /react.tgz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap();
    assert!(String::from_utf8_lossy(&answer[..head]).contains("content-type: application/gzip"));
    let mut archive = tar::Archive::new(GzDecoder::new(&answer[head + 4..]));
    let entries = archive.entries().unwrap().map(Result::unwrap);
    let file = |mut entry: tar::Entry<'_, _>| {
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name.strip_prefix("package/").unwrap().to_owned(), text)
    };
    entries.map(file).collect()
}

#[test]
fn it_is_written_and_served_with_the_version_of_the_binary() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("new/finnhub-react");
    let done = generate(&directory, &[]);
    assert!(done.status.success(), "{done:?}");
    let told = String::from_utf8(done.stdout).unwrap();
    assert!(
        told.contains(&format!("npm install --install-links {}", directory.display())),
        "{told}"
    );
    let files = written(&directory);
    let about: Value = serde_json::from_str(&files["package.json"]).unwrap();
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&about["private"], &about["peerDependencies"]["react"]),
        (&true.into(), &">=18".into())
    );
    assert_eq!(about.get("dependencies"), None);
    for named in ["default", "types"] {
        for entry in [".", "./trade-chart"] {
            let file = about["exports"][entry][named].as_str().unwrap().trim_start_matches("./");
            assert!(files.contains_key(file), "{file}");
        }
    }
    assert!(files["recorder-client.js"].contains(&format!("'{}'", env!("CARGO_PKG_VERSION"))));
    assert!(files.values().all(|text| !text.contains("0.0.0\"") && !text.contains("'0.0.0'")));

    let program = Program::demo("AAPL", "127.0.0.1:0");
    assert_eq!(served(&program), files);
    // The page runs the very modules that the package has.
    for name in ["recorder-client.js", "trade-chart.js", "candles.js", "format.js"] {
        assert_eq!(get(program.address(), &format!("/{name}")).body, files[name], "{name}");
    }
}

#[test]
fn files_that_differ_are_written_over_only_when_asked() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("package");
    assert!(generate(&directory, &[]).status.success());
    assert!(generate(&directory, &[]).status.success(), "the same files again");
    let fresh = written(&directory);

    fs::write(directory.join("index.js"), "mine").unwrap();
    fs::remove_file(directory.join("format.js")).unwrap();
    let before = written(&directory);
    let refused = generate(&directory, &[]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("index.js") && told.contains("--force"), "{told}");
    assert_eq!(written(&directory), before, "nothing was written");

    assert!(generate(&directory, &["--force"]).status.success());
    assert_eq!(written(&directory), fresh);
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = generate(&file, &[]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!((refused.status.code(), told.lines().count()), (Some(1), 1), "{told}");
}

/// A recorder whose API pages of these origins may read.
fn readable_by(origins: &[&str]) -> Program {
    let mut arguments = vec!["--demo", "--tickers", "AAPL", "--dashboard=127.0.0.1:0"];
    arguments.extend(origins.iter().flat_map(|origin| ["--dashboard-origin", origin]));
    Program::start(&arguments)
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn pages_of_a_named_origin_may_read_and_nobody_else() {
    let program = readable_by(&["http://localhost:5173", "https://APP.example:443"]);
    let ask =
        |method: &str, path: &str, headers: &str| request(program.address(), method, path, headers);
    let own = "Origin: http://localhost:5173\r\nSec-Fetch-Site: cross-site\r\n";
    for path in ["/api/status", "/api/history/AAPL", "/api/history/DEMO:AAPL", "/api/sparks"] {
        let answer = ask("GET", path, own);
        assert_eq!(allowed(&answer), Some("http://localhost:5173"), "{path}");
        assert_eq!(answer.header("vary"), Some("origin"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{path}");
    }
    let events = format!("GET /api/events HTTP/1.1\r\nHost: {}\r\n{own}\r\n", program.address());
    let mut stream = connect(program.address());
    stream.write_all(events.as_bytes()).unwrap();
    let mut head = [0; 1024];
    let count = stream.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..count]).into_owned();
    assert!(head.contains("access-control-allow-origin: http://localhost:5173\r\n"), "{head}");
    assert_eq!(
        allowed(&ask("GET", "/api/status", "Origin: https://app.example\r\n")),
        Some("https://app.example")
    );
    for other in [
        "",
        "Origin: null\r\n",
        "Origin: *\r\n",
        "Origin: http://localhost:5174\r\n",
        "Origin: https://localhost:5173\r\n",
        "Origin: http://localhost:5173.evil.example\r\n",
        "Origin: http://localhost:5173/\r\n",
        &format!("{own}Origin: http://evil.example\r\n"),
    ] {
        let answer = ask("GET", "/api/status", other);
        assert_eq!((answer.status, allowed(&answer)), (200, None), "{other}");
        assert_eq!(answer.header("vary"), Some("origin"), "{other}");
    }
    // Reading is all: no change, and no leave to ask for one.
    for (method, path) in [
        ("PUT", "/api/tickers/B"),
        ("DELETE", "/api/tickers/DEMO:AAPL"),
        ("OPTIONS", "/api/tickers/B"),
    ] {
        let more = "Access-Control-Request-Method: PUT\r\n";
        let refused = ask(method, path, &format!("{own}{more}"));
        assert_eq!((refused.status, allowed(&refused)), (403, None), "{method}");
    }
    let strange =
        format!("GET /api/status HTTP/1.1\r\nHost: evil.example\r\n{own}Connection: close\r\n\r\n");
    assert_eq!(crate::http::send(program.address(), &strange).status, 403);
}

#[test]
fn without_a_named_origin_nothing_is_said_of_origins() {
    let program = readable_by(&[]);
    let answer =
        request(program.address(), "GET", "/api/status", "Origin: http://localhost:5173\r\n");
    assert_eq!((allowed(&answer), answer.header("vary")), (None, None));
}

#[test]
fn an_origin_that_is_none_is_one_line_at_the_start() {
    for wrong in ["*", "null", "localhost:5173", "http://localhost:5173/", "http://*.example"] {
        let mut program = readable_by(&[wrong]);
        assert_eq!(program.wait().code(), Some(2), "{wrong}");
        let stderr = crate::waiting::wait_until(
            "the error",
            || program.stderr(),
            |stderr| stderr.ends_with('\n'),
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(&format!("--dashboard-origin \"{wrong}\": give")), "{stderr}");
        assert!(!program.path("websocket_data.log").exists(), "nothing was begun");
    }
}

#[test]
fn a_symbol_that_is_not_there_is_answered_with_those_that_are() {
    let program = Program::demo("MSFT,AAPL,GOOG,TSLA,AMZN,META,NVDA,IBM,ORCL,AMD", "127.0.0.1:0");
    program.wait_for_status("the list", |status| status["tickers"][9].is_object());
    let refused = get(program.address(), "/api/history/AMD");
    assert_eq!(refused.status, 404);
    assert_eq!(
        refused.error(),
        "AMD is not on the list: DEMO:AMD, DEMO:MSFT, DEMO:AAPL, DEMO:GOOG, DEMO:TSLA, DEMO:AMZN, DEMO:META, DEMO:NVDA and 2 more"
    );
}

#[test]
fn who_follows_the_events_is_counted() {
    let program = Program::demo("AAPL", "127.0.0.1:0");
    let mut events = crate::http::Events::follow(program.address());
    events.next().unwrap();
    assert_eq!(followers(&program), 1);
    drop(events);
    crate::waiting::wait_until("nobody", || followers(&program), |count| *count == 0);
}

/// Open connections to the events, as the recorder itself counts them.
pub(crate) fn followers(program: &Program) -> u32 {
    let metrics = get(program.address(), "/metrics").body;
    let count = metrics.split("\nfinnhub_stream_dashboard_followers ").nth(1).unwrap();
    count.lines().next().unwrap().parse().unwrap()
}
