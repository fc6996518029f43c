//! Command lines that are wrong, and the one line that each gets.

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use super::{one_dash, one_line};
use crate::cli::CommandLine;

fn refused(words: &str) -> String {
    let words: Vec<OsString> =
        std::iter::once("finnhub-stream").chain(words.split(' ')).map(OsString::from).collect();
    let error = CommandLine::try_parse_from(&words).expect_err("refused");
    let message = one_line(&error, &words, &CommandLine::command());
    message.strip_suffix("; see --help").expect("where to read on").to_owned()
}

#[test]
fn what_clap_has_no_hint_for_is_said_in_our_words() {
    for (words, expected) in [
        (
            "ship x --name a cat",
            "\"cat\" is a word too many; the command of ship follows --, as in -- cat",
        ),
        ("simulate --rate x", "--rate \"x\": give a number"),
        ("generate foo", "generate: there is no \"foo\""),
        ("help foo", "help: there is no \"foo\""),
        ("-t A verify x.csv", "verify comes first and has its own options; leave out the others"),
        (
            "-t A\u{1b}B",
            "--tickers \"A\\u{1b}B\": the symbol \"A\\u{1b}B\" contains a control character",
        ),
        (
            "--fsync sometimes",
            "--fsync \"sometimes\": give always, never, or an interval like 1s or 500ms",
        ),
    ] {
        assert_eq!(refused(words), expected, "{words}");
    }
    for word in ["stop", "start", "record", "run", "aapl"] {
        let expected = format!(
            "there is no \"{word}\", only verify, check, bars, ship, simulate, generate; a recording is started with --tickers AAPL,MSFT, and stopped with Ctrl-C"
        );
        assert_eq!(refused(word), expected);
    }
}

#[test]
fn claps_words_stand_on_one_line() {
    for (words, expected) in [
        (
            "--tickrs A",
            "unexpected argument '--tickrs' found; tip: a similar argument exists: '--tickers'",
        ),
        ("--out", "a value is required for '--out <FILE>' but none was supplied"),
        ("-q -v", "the argument '--quiet' cannot be used with '--verbose'"),
        ("ship x", "the following required arguments were not provided: --name <NAME>; <CMD>..."),
        ("verfy", "unrecognized subcommand 'verfy'; tip: a similar subcommand exists: 'verify'"),
    ] {
        assert_eq!(refused(words), expected, "{words}");
    }
    let nothing = refused("generate");
    assert!(nothing.contains("one was not provided; [subcommands: bash, zsh"), "{nothing}");
}

#[test]
fn a_long_option_behind_one_dash_gets_the_other() {
    let found = |words: &str| {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        one_dash(&words, &CommandLine::command())
    };
    for (words, name) in [
        ("x -tickers AAPL", "tickers"),
        ("x -v -out=a.csv", "out"),
        ("x verify -json a.csv", "json"),
        ("x ship a -name b -- cat", "name"),
        ("x -help", "help"),
    ] {
        let message = found(words).expect(words);
        assert!(message.contains(&format!("-{name}; ")), "{message}");
        assert!(message.contains(&format!(": --{name}; see --help")), "{message}");
    }
    for words in ["x -t A -o ut", "x ship a -n b -- cat -name", "x -qv", "x --out -", "x -"] {
        assert_eq!(found(words), None, "{words}");
    }
}

#[test]
fn the_right_form_is_shown_for_symbols_and_addresses() {
    for (words, form) in [
        ("--tickers AAPL MSFT", "--tickers AAPL,MSFT"),
        ("--tickers=AAPL MSFT TSLA -v", "--tickers AAPL,MSFT,TSLA"),
        ("-v -t AAPL, MSFT", "--tickers AAPL,MSFT"),
        ("-t AAPL msft", "--tickers AAPL,msft"),
        ("AAPL", "--tickers AAPL"),
        ("--out x.csv AAPL MSFT", "--tickers AAPL,MSFT"),
        ("--dashboard 127.0.0.1:9999", "--dashboard=127.0.0.1:9999?"),
        ("--demo --dashboard localhost:9999", "--dashboard=127.0.0.1:9999?"),
        ("--demo --dashboard 8788", "--dashboard=127.0.0.1:8788?"),
        ("-t AAPL 8788", "--tickers AAPL,8788"),
    ] {
        let message = refused(words);
        assert!(message.ends_with(form), "{words}: {message}");
    }
}
