//! `generate`: completions and the man page come from the definition of the command line; the
//! loaders are texts, which `loaders` runs in their tools.

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

#[test]
fn each_tool_gets_a_loader_that_says_what_it_is_and_how_to_use_it() {
    for (tool, begin, names) in [
        (
            "duckdb",
            "-- Recordings of finnhub-stream in DuckDB. Run with DuckDB 2.",
            "MACRO _(files",
        ),
        (
            "pandas",
            "\"\"\"Recordings of finnhub-stream in pandas. Run with pandas 3.",
            "def _(paths",
        ),
        (
            "polars",
            "\"\"\"Recordings of finnhub-stream in polars. Run with polars 2.",
            "def _(paths",
        ),
        (
            "sqlite",
            "-- Recordings of finnhub-stream in SQLite, by its shell. Run with sqlite3 3.",
            " _ ",
        ),
        ("clickhouse", "-- Recordings of finnhub-stream in ClickHouse. Run with 26.", "VIEW _ AS"),
        (
            "spark",
            "\"\"\"Recordings of finnhub-stream in Spark. Run with pyspark 4.",
            "def _(paths",
        ),
    ] {
        let (code, recorder) = Run::without_key().arg("generate").arg(tool).run_to_its_end();
        assert_eq!((code, recorder.stderr()), (0, String::new()), "{tool}");
        let text = recorder.stdout();
        assert!(text.starts_with(begin), "{tool}: {text}");
        let use_it = format!("finnhub-stream generate {tool} > ticks.");
        assert!(text.lines().nth(2).is_some_and(|line| line.contains(&use_it)), "{tool}: {text}");
        for name in ["ticks", "ledger", "gaps"] {
            assert!(text.contains(&names.replace('_', name)), "{tool} has no {name}: {text}");
        }
        assert_eq!(recorder.all_files().len(), 0, "{tool}");
    }
}
