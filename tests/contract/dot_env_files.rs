//! What people have in a `.env` file beside the key, and how they spoil the key itself: the key is
//! found all the same, or one line says how to mend it.

use crate::harness::{KEY, Run};
use crate::server::Server;

/// Fails unless the server is shown [`KEY`].
fn assert_found(content: &[u8]) {
    let server = Server::plain();
    let run = Run::without_key().file(".env", content).restrict(".env", 0o600);
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let handshake = server.accept();
    assert_eq!(handshake.token(), KEY, "{content:?}");
    assert_eq!(recorder.stop(handshake.upgrade()), 0, "{}", recorder.seen());
}

/// Fails unless it is refused in one line that says all this, and not the key.
fn assert_refused(run: Run, told: &[&str]) {
    let (code, recorder) = run.tickers("AAPL").run_to_its_end();
    assert_eq!(code, 2, "{}", recorder.seen());
    let line = recorder.only_error_line();
    for part in told {
        assert!(line.contains(part), "{part:?} in {line}");
    }
    assert!(!line.contains(KEY), "{line}");
}

#[test]
fn the_last_of_two_lines_counts() {
    assert_found(format!("API_KEY=old\nOTHER=1\nAPI_KEY={KEY}\n").as_bytes());
}

#[test]
fn a_quote_that_is_not_closed_costs_its_own_line_only() {
    assert_found(format!("AUTHOR=O'Brien\nAPI_KEY={KEY}\n").as_bytes());
    assert_found(format!("AUTHOR=O'Brien\nAPI_KEY={KEY}\nNOTE=it's mine\n").as_bytes());
    assert_found(format!("TITLE=\"My app\nAPI_KEY={KEY}").as_bytes());
}

#[test]
fn a_value_in_quotes_may_go_over_several_lines() {
    let certificate = "CERTIFICATE=\"-----BEGIN-----\nAPI_KEY=no key\n-----END-----\"\n";
    assert_found(format!("{certificate}API_KEY='{KEY}'\n").as_bytes());
}

#[test]
fn a_comment_in_latin_1_costs_nothing() {
    assert_found(&[b"# Schl\xfcssel\n", format!("API_KEY={KEY}\n").as_bytes()].concat());
}

#[test]
fn a_file_in_another_encoding_is_named_with_its_mending() {
    let utf_16 = |begin: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = format!("API_KEY={KEY}\r\n");
        [begin, &text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()].concat()
    };
    for content in [
        utf_16(b"\xff\xfe", u16::to_le_bytes),
        utf_16(b"\xfe\xff", u16::to_be_bytes),
        utf_16(b"", u16::to_le_bytes),
    ] {
        let told = [".env is UTF-16 text", "save it as UTF-8"];
        assert_refused(Run::without_key().file(".env", content), &told);
    }
    let latin_1 = [b"API_KEY=\xe9", KEY.as_bytes()].concat();
    let told = [".env has a line that is not UTF-8 text", "save the file as UTF-8", "line 1"];
    assert_refused(Run::without_key().file(".env", latin_1), &told);
}

#[test]
fn a_key_with_something_around_it_is_named_with_its_mending() {
    for (value, fault, mending) in [
        (format!("{KEY}\n"), "ends with a line end", "printf instead of echo"),
        (format!("{KEY}\r"), "ends with a line end", "Unix line ends"),
        (format!("\"{KEY}\""), "is still in its quotes", "--env-file"),
        (format!("'{KEY}'"), "is still in its quotes", "--env-file"),
        (format!("{KEY} "), "contains a space", "store it without"),
    ] {
        let run = Run::without_key().env("API_KEY", &value);
        assert_refused(run, &["API_KEY (from the environment)", fault, mending]);
    }
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let key = [KEY.as_bytes(), b"\xe9"].concat();
    let run = Run::without_key().env("API_KEY", std::ffi::OsStr::from_bytes(&key));
    assert_refused(run, &["API_KEY (from the environment)", "is not UTF-8 text"]);
}
