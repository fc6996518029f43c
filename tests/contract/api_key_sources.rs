//! Where the key is looked for, and in which order.

use crate::harness::Run;
use crate::server::Server;

/// Fails unless the server is shown exactly this token.
fn assert_token(run: Run, expected: &str) -> String {
    let server = Server::plain();
    let mut recorder = run.url(&server.url()).tickers("AAPL").spawn();
    let handshake = server.accept();
    assert_eq!(handshake.token(), expected);
    assert_eq!(handshake.target(), format!("/?token={expected}"));
    assert_eq!(recorder.stop(handshake.upgrade()), 0, "{}", recorder.seen());
    format!("{}{}", recorder.stderr(), recorder.log())
}

#[test]
fn the_own_variable_comes_before_the_general_one() {
    let run = Run::without_key().env("FINNHUB_API_KEY", "own").env("API_KEY", "general");
    assert_token(run, "own");
    assert_token(Run::without_key().env("API_KEY", "general"), "general");
}

#[test]
fn the_key_can_be_in_a_dotenv_file() {
    assert_token(Run::without_key().dotenv("FINNHUB_API_KEY=own\nAPI_KEY=general\n"), "own");
    assert_token(Run::without_key().dotenv("# mine\nAPI_KEY=\"general\"\n"), "general");
}

#[test]
fn a_dotenv_file_may_begin_with_a_byte_order_mark() {
    assert_token(Run::without_key().dotenv("\u{feff}API_KEY=marked\n"), "marked");
}

#[test]
fn a_bad_line_of_a_dotenv_file_is_named_by_its_number_and_not_by_its_text() {
    for (text, number) in [
        ("# mine\n\nAPI KEY secret\nOTHER=1\n", 3),
        ("\u{feff}secret\n", 1),
        ("A=1\nB=\"secret\n", 2),
        ("A=secret\n secret secret", 2),
        ("A=1\r\nAPI_KEY=my secret key\r\n", 2),
    ] {
        let (code, recorder) = Run::without_key().dotenv(text).tickers("AAPL").run_to_its_end();
        assert_eq!(code, 2, "{text:?}: {}", recorder.seen());
        let line = recorder.only_error_line();
        let said = format!(".env has a line that is not NAME=value: line {number};");
        assert!(line.contains(&said) && !line.contains("secret"), "{text:?}: {line}");
    }
}

#[test]
fn a_dotenv_file_of_a_parent_folder_is_found() {
    let run = Run::without_key().dotenv("API_KEY=parent\n").working_directory("below/further");
    assert_token(run, "parent");
}

#[test]
fn the_nearest_dotenv_file_counts() {
    let run = Run::without_key().dotenv("API_KEY=far\n").file("below/.env", "API_KEY=near\n");
    assert_token(run.restrict("below/.env", 0o600).working_directory("below"), "near");
}

#[test]
fn the_real_environment_wins_over_the_dotenv_file() {
    let run = Run::without_key().env("FINNHUB_API_KEY", "real");
    assert_token(run.dotenv("FINNHUB_API_KEY=file\n"), "real");
    assert_token(Run::without_key().env("API_KEY", "real").dotenv("API_KEY=file\n"), "real");
}

#[test]
fn a_dotenv_file_that_others_can_read_gets_a_warning() {
    let private = assert_token(Run::without_key().dotenv("API_KEY=mine\n"), "mine");
    for mode in [0o644, 0o604, 0o640] {
        let run = Run::without_key().dotenv("API_KEY=mine\n").restrict(".env", mode);
        let open = assert_token(run, "mine");
        let warning = open.lines().find(|line| line.contains(".env") && line.contains("chmod"));
        assert!(warning.is_some(), "mode {mode:o}: {open}");
    }
    assert!(!private.contains("chmod"), "{private}");
}

#[test]
fn a_key_with_signs_that_mean_something_in_a_url_arrives_whole() {
    assert_token(Run::without_key().env("API_KEY", "a&b=c#d%41+é"), "a%26b%3Dc%23d%2541%2B%C3%A9");
}
