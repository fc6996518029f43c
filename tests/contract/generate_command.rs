//! `generate`: completions and the man page come from the definition of the command
//! line.

use crate::harness::Run;

#[test]
fn each_shell_and_man_gets_its_text() {
    for (what, sign) in [
        ("bash", "complete -F _finnhub"),
        ("zsh", "#compdef finnhub-stream"),
        ("fish", "complete -c finnhub-stream"),
        ("elvish", "edit:completion:arg-completer[finnhub-stream]"),
        ("powershell", "Register-ArgumentCompleter"),
        ("man", ".TH finnhub-stream 1"),
    ] {
        let (code, recorder) = Run::without_key().arg("generate").arg(what).run_to_its_end();
        assert_eq!((code, recorder.stderr()), (0, String::new()), "{what}");
        let text = recorder.stdout();
        assert!(text.contains(sign) && text.contains("tickers"), "{what}: {text}");
    }
    for words in [&["--help"][..], &["help"]] {
        let run = words.iter().fold(Run::without_key(), Run::arg);
        let (code, recorder) = run.run_to_its_end();
        assert_eq!(code, 0, "{}", recorder.seen());
        for listed in ["\n  generate  ", "\n  help      "] {
            assert!(recorder.stdout().contains(listed), "{}", recorder.seen());
        }
    }
}
