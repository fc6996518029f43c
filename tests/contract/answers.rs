//! Answers on standard output: on a full disk they are an error, and for a reader that has gone away
//! they are none. Linux only, because a full disk is `/dev/full`.

use crate::harness::Run;
use crate::server::ClosedPort;

/// Every way to ask for an answer, and the exit code when nobody reads it.
fn questions(port: &ClosedPort) -> Vec<(Vec<String>, i32)> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let mut questions: Vec<(Vec<String>, i32)> =
        ["--help", "-h", "help", "help verify", "ship --help", "--version", "generate zsh"]
            .into_iter()
            .chain(["generate man", "generate react package"])
            .map(|line| (words(line), 0))
            .collect();
    // What it would say is not all well, or not known.
    questions.push((words(&format!("check --url {}", port.url())), 1));
    questions.push((words("verify op1.csv"), 1));
    questions.push((words("verify --json op1.csv"), 1));
    questions
}

fn ask(words: &[String]) -> Run {
    words.iter().fold(Run::new().file("op1.csv", "price\n1.5\n"), Run::arg)
}

#[test]
fn on_a_full_disk_each_is_one_error_line() {
    let port = ClosedPort::new();
    for (words, _) in questions(&port) {
        let (code, asked) = ask(&words).run_with_stdout_to("/dev/full");
        assert_eq!(code, 1, "{words:?}: {}", asked.seen());
        let expected = "error: cannot write to standard output: No space left on device; \
                        check where it goes";
        assert_eq!(asked.only_error_line(), expected, "{words:?}");
    }
}

#[test]
fn when_the_reader_is_gone_each_ends_without_a_word() {
    let port = ClosedPort::new();
    for (words, expected) in questions(&port) {
        let (code, asked) = ask(&words).run_with_closed_stdout();
        assert_eq!((code, asked.stderr()), (expected, String::new()), "{words:?}");
    }
}
