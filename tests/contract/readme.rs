//! Every block of commands in the README, one after the other in one fresh folder, as somebody would who
//! follows it to the letter.
//!
//! What is not on every machine (`sudo`, `cargo install`, tmux, systemd, the databases) is replaced by
//! a script of the same name that succeeds; `finnhub-stream` by one that records from a market on this
//! machine, and stops a recording when it has rows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Run, Signal};
use crate::simulate_command::url as simulator_url;

const README: &str = include_str!("../../README.md");

/// Commands that the machine may not have; each takes its input, and succeeds.
const STAND_INS: [&str; 12] = [
    "apt-get",
    "duckdb",
    "python3",
    "systemctl",
    "loginctl",
    "curl",
    "psql",
    "npm",
    "kcat",
    "nats",
    "ssh",
    "docker",
];

/// What stands in for the program: an end for what has none, and a server on this machine.
const PROGRAM: &str = r#"#!/usr/bin/env bash
set -u
arguments=()
out=op1.csv
kind=record
case "${1-}" in verify|bars|generate|help|check|ship|simulate) kind=$1 ;; esac
previous=
for word; do
    case "$word" in
        --demo) out=demo.csv; demo=yes ;;
        --dashboard) word=--dashboard=0 ;;
        ws://127.0.0.1:9000) word=$MARKET; url=yes; simulated=yes ;;
        127.0.0.1:9000) word=127.0.0.1:0 ;;
    esac
    case "$previous" in --out|-o) out=$word ;; esac
    previous=$word
    arguments+=("$word")
done
rows() { if [ -e "$out" ]; then wc -l < "$out"; else echo 0; fi; }
# Rows for a recording, and for a simulator that it listens.
is_done() {
    if [ $kind = simulate ]; then grep -q listening said; else [ "$(rows)" -gt $((before + 1)) ]; fi
}
until_it_is_done() {
    before=$(rows)
    "$PROGRAM" "$@" 2> said &
    process=$!
    for _ in $(seq 600); do
        is_done && break
        kill -0 $process 2>/dev/null || break
        sleep 0.1
    done
    kill -TERM $process
    wait $process
    code=$?
    cat said >&2
    is_done || code=99
    return $code
}
case $kind in
    record)
        [ "$out" = - ] && exec head -c 0
        if [ -z "${demo-}${url-}" ]; then arguments+=(--url "$FINNHUB"); fi
        until_it_is_done "${arguments[@]}" ;;
    simulate) until_it_is_done "${arguments[@]}" ;;
    check) exec "$PROGRAM" "${arguments[@]}" --url "$FINNHUB" ;;
    # The scripts for engines have tests of their own.
    ship)
        options=()
        for word in "${arguments[@]:1}"; do
            options+=("$word")
            [ "$word" = -- ] && break
        done
        exec "$PROGRAM" ship --once "${options[@]}" cat > /dev/null ;;
    bars) [[ " $* " == *" --follow "* ]] && exec timeout 5 "$PROGRAM" "$@"; exec "$PROGRAM" "$@" ;;
    *) exec "$PROGRAM" "${arguments[@]}" ;;
esac
"#;

/// The blocks of shell commands, in order, without the indentation of a list.
fn blocks() -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in README.lines() {
        match (line.trim_start(), &mut block) {
            ("```sh", None) => block = Some(String::new()),
            ("```", Some(_)) => blocks.extend(block.take()),
            (line, Some(text)) => text.extend([line, "\n"]),
            _ => {}
        }
    }
    blocks
}

fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, text).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// A folder of commands that stand before those of the machine.
fn stand_ins(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    for name in STAND_INS {
        script(folder, name, "#!/bin/sh\n[ -t 0 ] || cat > /dev/null\nexit 0\n");
    }
    script(folder, "sudo", "#!/bin/sh\nexec \"$@\"\n");
    // Outside the folder nothing is written.
    script(folder, "tee", "#!/bin/sh\nexec cat\n");
    script(
        folder,
        "mkdir",
        "#!/bin/sh\ncase \"$*\" in *\\ /usr*) exit 0 ;; esac\nexec /usr/bin/env -i PATH=/usr/bin:/bin mkdir \"$@\"\n",
    );
    script(
        folder,
        "cargo",
        "#!/bin/sh\nwhile [ $# -gt 0 ] && [ \"$1\" != -- ]; do shift; done\n[ $# -gt 0 ] || exit 0\nshift\nexec finnhub-stream \"$@\"\n",
    );
    script(folder, "tmux", "#!/bin/sh\nfor last; do :; done\nSHELL=true exec sh -c \"$last\"\n");
    script(folder, "finnhub-stream", PROGRAM);
}

#[test]
fn every_block_of_the_readme_runs_in_order_in_one_fresh_folder() {
    let (_, home) = Run::without_key().arg("--version").run_to_its_end();
    let markets = ["--plain-symbols", "--rate=50"].map(|option| {
        let run = Run::beside(&home).args(&["simulate", "--listen=127.0.0.1:0", option]);
        let mut market = run.spawn();
        let url = simulator_url(&mut market);
        (market, url)
    });
    let folder = home.path("");
    let commands = home.path("commands");
    stand_ins(&commands);
    let path = format!("{}:{}", commands.display(), std::env::var("PATH").expect("PATH"));
    let blocks = blocks();
    assert!(blocks.len() > 10, "the blocks were not found");
    // What a reader has to put in its place.
    let key = ("your-key", "the-key-of-a-test");
    // One shell, because `cd` and what a block makes hold for those behind it.
    let steps = blocks.iter().enumerate().map(|(number, block)| {
        let block = block.replace(key.0, key.1);
        format!("echo 'block {number}' >&2\n{block}")
    });
    let script = format!("set -eu\n{}", steps.collect::<String>());
    let ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .env_clear()
        .envs([("PATH", path.as_str()), ("FINNHUB", &markets[0].1), ("MARKET", &markets[1].1)])
        .env("HOME", &folder)
        .env("PROGRAM", env!("CARGO_BIN_EXE_finnhub-stream"))
        .output()
        .expect("bash");
    let [said, answered] = [&ran.stderr, &ran.stdout].map(|text| String::from_utf8_lossy(text));
    assert!(ran.status.success(), "{:?}\n{said}\n{answered}\n{script}", ran.status);
    for (market, _) in markets {
        market.signal(Signal::SIGTERM);
    }
    // Simulated and real rows are never in one file.
    for (file, is_simulated) in
        [("demo.csv", true), ("ticks/op1.csv", false), ("ticks/simulated.csv", true)]
    {
        let text = fs::read_to_string(folder.join(file)).expect(file);
        assert!(text.lines().count() > 1, "{file}");
        for row in text.lines().skip(1) {
            assert_eq!(row.starts_with("DEMO:"), is_simulated, "{file}: {row}");
        }
    }
}

/// The unit file as the README's block makes it.
#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_accepts_the_unit() {
    let block = blocks().into_iter().find(|block| block.contains("[Unit]")).expect("the unit");
    let (_, home) = Run::without_key().arg("--version").run_to_its_end();
    let folder = home.path("");
    stand_ins(&home.path("commands"));
    fs::create_dir_all(folder.join(".cargo/bin")).expect("a folder");
    script(&folder.join(".cargo/bin"), "finnhub-stream", "#!/bin/sh\n");
    let path = format!("{}:/usr/bin:/bin", home.path("commands").display());
    let mut bash = Command::new("bash");
    bash.args(["-ec", &block]).env("HOME", &folder).env("PATH", path);
    let made = bash.output().expect("bash");
    assert!(made.status.success(), "{made:?}");
    let unit = folder.join(".config/systemd/user/finnhub-stream.service");
    let checked = Command::new("systemd-analyze")
        .args(["--user", "--man=no", "verify"])
        .arg(&unit)
        .env("HOME", &folder)
        .env("XDG_RUNTIME_DIR", &folder)
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && !said.contains("finnhub-stream.service:"), "{said}");
}
