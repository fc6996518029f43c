//! `ship`: from the file to a command, with nothing lost on the way; here with `sh` as the command.
//! What is wrong with files and arguments is in `ship_refusals`, a recorder at work in `ship_live`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use nix::unistd::Pid;

use crate::harness::{KEY, Recorder, Run, Signal};
use crate::pseudo_terminal::{PseudoTerminal, screen};

pub(crate) const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";

const WIDE: u16 = 120;

/// Keeps what it gets, whole, under the batch's id and its own process number; the end of its
/// standard input is the end of the batch.
pub(crate) const KEEP: &str =
    r#"cat > part.$$ && mv part.$$ "got.$FINNHUB_STREAM_BATCH.$FINNHUB_STREAM_ROWS.$$""#;

/// Rows with these numbers as prices.
pub(crate) fn rows(numbers: std::ops::Range<u64>) -> String {
    let mut text = String::new();
    for number in numbers {
        writeln!(text, "AAPL,{number},5,1680300000123,1795000000000,1;12").expect("memory");
    }
    text
}

pub(crate) fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// A run of `ship op1.csv --name t` with these further options, and `sh -c script` as CMD.
pub(crate) fn ship(run: Run, options: &str, script: &str) -> Run {
    ship_as("t", run, options, script)
}

pub(crate) fn ship_as(name: &str, run: Run, options: &str, script: &str) -> Run {
    let run = run.arg("ship").arg("op1.csv").arg("--name").arg(name);
    let run = options.split_whitespace().fold(run, Run::arg);
    run.arg("--").arg("sh").arg("-c").arg(script)
}

pub(crate) fn beside(other: &Recorder, options: &str, script: &str) -> Recorder {
    ship(Run::beside(other), options, script).spawn()
}

/// A recording of these rows, and nobody who records.
pub(crate) fn recording(numbers: std::ops::Range<u64>) -> Run {
    Run::without_key().file("op1.csv", format!("{HEADER}{}", rows(numbers)))
}

/// What [`KEEP`] has kept: for each batch its bytes, by where it begins and ends. Fails unless every
/// copy of a batch is the same and as many rows as was said.
pub(crate) fn kept(folder: &Path) -> BTreeMap<(u64, u64, u64), String> {
    let mut batches = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder").flatten() {
        let name = entry.file_name().into_string().expect("text");
        let Some(name) = name.strip_prefix("got.") else { continue };
        let fields: Vec<&str> = name.split('.').collect();
        let [id, rows, _process] = fields[..] else { panic!("{name}") };
        let numbers: Vec<u64> = id.split('-').skip(1).map(|n| n.parse().expect(id)).collect();
        let [file, from, to] = numbers[..] else { panic!("{id}") };
        let bytes = fs::read_to_string(entry.path()).expect("text");
        assert_eq!(bytes.lines().count().to_string(), rows, "{id} came whole");
        let first = batches.entry((file, from, to)).or_insert_with(|| bytes.clone());
        assert_eq!(*first, bytes, "{id} is the same each time");
    }
    batches
}

/// The kept batches in their order, each once.
pub(crate) fn kept_rows(folder: &Path) -> String {
    let batches = kept(folder);
    let places: Vec<_> = batches.keys().copied().collect();
    for pair in places.windows(2) {
        let ((file, _, to), (next_file, from, _)) = (pair[0], pair[1]);
        assert!(next_file > file || from == to, "no two batches overlap: {places:?}");
    }
    batches.into_values().collect()
}

fn folder(recorder: &Recorder) -> std::path::PathBuf {
    recorder.path("")
}

#[test]
fn closed_and_compressed_files_and_the_live_one_are_shipped_in_order_and_once() {
    let run = recording(400..500)
        .file("op1-2026-11-23T14.csv.gz", gzipped(&format!("{HEADER}{}", rows(0..100))))
        .file("op1-2026-11-23T14-2.csv", format!("{HEADER}{}", rows(100..200)))
        .file("op1-2026-11-23T14-10.csv", format!("{HEADER}{}", rows(200..300)))
        .file("op1-2026-11-23T15.csv", HEADER)
        .file("op1-2026-11-23T16.csv.gz", gzipped(&format!("{HEADER}{}", rows(300..400))));
    let (code, shipped) = ship(run, "--once --batch-rows 70", "cat >> got").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    assert_eq!(shipped.text_of("got"), rows(0..500));
    assert!(
        shipped.stderr().ends_with("\nread 500 = accepted 500 + waiting 0\n"),
        "{}",
        shipped.seen()
    );
    assert_eq!(shipped.stdout(), "");
    let mut again = beside(&shipped, "--once", "cat >> got");
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    let said = again.stderr();
    assert!(said.contains("500 rows accepted before") && said.lines().count() == 2, "{said}");
    assert!(said.ends_with("read 0 = accepted 0 + waiting 0\n"), "{said}");
    assert_eq!(again.text_of("got"), rows(0..500));
}

#[test]
fn a_command_writes_to_our_standard_output() {
    let (code, shipped) = ship(recording(0..3), "--once", "cat").run_to_its_end();
    assert_eq!((code, shipped.stdout()), (0, rows(0..3)));
}

#[test]
fn a_command_may_open_its_standard_input_by_name() {
    let (code, shipped) = ship(recording(0..3), "--once", "cat /dev/stdin").run_to_its_end();
    assert_eq!((code, shipped.stdout()), (0, rows(0..3)));
}

#[test]
fn a_command_does_not_get_the_api_key() {
    let run = Run::new().env("FINNHUB_API_KEY", KEY).env("API_KEY", KEY).env("OTHER", "there");
    let run = run.file("op1.csv", format!("{HEADER}{}", rows(0..3)));
    let (code, shipped) = ship(run, "--once", "env; cat > /dev/null").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    let environment = shipped.stdout();
    assert!(environment.contains("OTHER=there") && !environment.contains(KEY), "{environment}");
}

#[test]
fn a_batch_that_is_not_accepted_comes_again_byte_for_byte_under_its_id() {
    let script = format!("{KEEP}; echo >> tries; [ $(wc -l < tries) -gt 2 ]");
    let (code, shipped) = ship(recording(0..10), "--once --batch-rows 4", &script).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    assert_eq!(shipped.text_of("tries").lines().count(), 5, "three for the first batch");
    assert_eq!(kept_rows(&folder(&shipped)), rows(0..10));
    let said = shipped.stderr();
    assert_eq!(said.matches("not accepted: exit code 1").count(), 1, "once for one state: {said}");
    assert!(said.contains("it works again after 2 failed attempts"), "{said}");
}

#[test]
fn exit_0_without_having_read_everything_is_not_accepted() {
    for script in ["true", "head -c 10 > /dev/null", "exec 0<&-; exit 0"] {
        let mut shipped = ship(recording(0..10), "--once", script).spawn();
        shipped.wait_until_it_says("bytes were not read");
        shipped.signal(Signal::SIGTERM);
        assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
        let end = "\nread 10 = accepted 0 + waiting 10\n";
        assert!(shipped.stderr().ends_with(end), "{script}: {}", shipped.seen());
    }
}

#[test]
fn a_batch_larger_than_a_pipe_is_delivered_whole() {
    let rows = rows(0..60_000);
    let run = Run::without_key().file("op1.csv", format!("{HEADER}{rows}"));
    let options = "--once --batch-rows 100000 --batch-bytes 100MiB --header";
    let script = "sleep 0.1; cat > got; [ $FINNHUB_STREAM_ROWS = 60000 ]";
    let (code, shipped) = ship(run, options, script).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    assert!(shipped.text_of("got") == format!("{HEADER}{rows}"));
    // Large, and not read.
    let mut shipped = ship_as("u", Run::beside(&shipped), options, "head -c 100000 > got").spawn();
    shipped.wait_until_it_says("bytes were not read");
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let script = "cat > /dev/null; sleep 60 & echo $! >> started; wait";
    let mut shipped = ship(recording(0..3), "--timeout 200ms", script).spawn();
    shipped.wait_until_it_says("no end within 200ms; killed");
    shipped.wait_until("a second try", |now| now.text_of("started").lines().count() > 1);
    let first = shipped.text_of("started").lines().next().expect("a number").parse().expect("one");
    shipped.wait_until("the first one's child to be gone", |_| {
        // It was adopted by somebody who waits for it or not: then it is a zombie.
        let status = fs::read_to_string(format!("/proc/{first}/stat")).unwrap_or_default();
        nix::sys::signal::kill(Pid::from_raw(first), None).is_err() || status.contains(") Z ")
    });
    shipped.signal(Signal::SIGINT);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}

#[test]
fn a_stop_lets_a_command_finish_and_counts_its_batch() {
    let script = "cat >> got; echo > running; sleep 1";
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut shipped = ship(recording(0..10), "--batch-rows 4", script).spawn();
        shipped.wait_until("CMD runs", |now| now.path("running").exists());
        shipped.signal(signal);
        assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
        let end = "\nread 4 = accepted 4 + waiting 0\n";
        assert!(shipped.stderr().ends_with(end), "{}", shipped.seen());
        assert_eq!(shipped.text_of("got"), rows(0..4));
    }
}

#[test]
fn a_stop_takes_five_seconds_at_most_and_the_batch_comes_again() {
    let script = format!("{KEEP}; echo > running; sleep 60");
    let mut shipped = ship(recording(0..10), "--batch-rows 4", &script).spawn();
    shipped.wait_until("CMD runs", |now| now.path("running").exists());
    shipped.signal(Signal::SIGTERM);
    let asked = shipped.stopwatch();
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let took = shipped.took(&asked);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let end = "\nread 4 = accepted 0 + waiting 4\n";
    assert!(shipped.stderr().ends_with(end), "{}", shipped.seen());
    let mut again = beside(&shipped, "--once --batch-rows 3", KEEP);
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    // The bounds of the first batch are the old ones.
    assert_eq!(kept_rows(&folder(&again)), rows(0..10));
    let sizes: Vec<usize> = kept(&folder(&again)).values().map(|it| it.lines().count()).collect();
    assert_eq!(sizes, [4, 3, 3]);
}

/// A `ship` that has got two Ctrl-C at the same time, while CMD runs.
fn interrupted_twice() -> Recorder {
    let script = "cat > /dev/null; echo $$ > running; sleep 60";
    let mut shipped = ship(recording(0..10), "", script).spawn();
    shipped.wait_until("CMD runs", |now| now.text_of("running").ends_with('\n'));
    shipped.signal(Signal::SIGINT);
    shipped.signal(Signal::SIGINT);
    shipped.wait_until_it_says("stopping");
    std::thread::sleep(Duration::from_millis(300));
    shipped
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_one_twice_is_one() {
    // On a busy machine some time may pass between the two.
    let mut tries = std::iter::repeat_with(interrupted_twice).take(5);
    let running = tries.find_map(|mut shipped| shipped.is_running().then_some(shipped));
    let mut shipped = running.expect("two at the same time are one");
    shipped.signal(Signal::SIGINT);
    let asked = shipped.stopwatch();
    assert_eq!(shipped.wait_exit(), 130, "{}", shipped.seen());
    let took = shipped.took(&asked);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let command = shipped.text_of("running").trim().parse().expect("a number");
    assert!(nix::sys::signal::kill(Pid::from_raw(command), None).is_err(), "CMD is gone, too");
}

#[test]
fn batches_keep_to_both_limits_and_a_longer_row_goes_alone() {
    let long = format!("AAPL,1,5,1,2,{}\n", "x".repeat(3000));
    let text = format!("{}{long}{}", rows(0..3), rows(3..6));
    let run = Run::without_key().file("op1.csv", format!("{HEADER}{text}"));
    let (code, shipped) =
        ship(run, "--once --batch-bytes 100 --batch-rows 2", KEEP).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    assert_eq!(kept_rows(&folder(&shipped)), text);
    let sizes: Vec<usize> = kept(&folder(&shipped)).values().map(|it| it.lines().count()).collect();
    assert_eq!(sizes, [2, 1, 1, 2, 1]);
}

#[test]
fn each_batch_has_the_header_of_its_own_file_if_asked_for() {
    let closed = "ticker,price\nA,1\n";
    let run = recording(0..2).file("op1-2026-11-23.csv", closed);
    let script = r#"cat >> got; echo "$FINNHUB_STREAM_FILE $FINNHUB_STREAM_ROWS" >> got"#;
    let (code, shipped) = ship(run, "--once --header --batch-rows 1", script).run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    let expected = format!(
        "{closed}op1-2026-11-23.csv 1\n{HEADER}{}op1.csv 1\n{HEADER}{}op1.csv 1\n",
        rows(0..1),
        rows(1..2)
    );
    assert_eq!(shipped.text_of("got"), expected);
}

#[test]
fn from_now_ships_only_what_comes_later() {
    let run = recording(0..10).file("op1-2026-11-23.csv", format!("{HEADER}{}", rows(90..99)));
    let mut shipped = ship(run, "--from now", "cat >> got").spawn();
    shipped.wait_until("the position is there", |now| now.path("op1.csv.ship-t").exists());
    append(&shipped, &rows(10..12));
    shipped.wait_until("the later rows", |now| now.text_of("got") == rows(10..12));
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    append(&shipped, &rows(12..14));
    // Only the first start begins there.
    let mut again = beside(&shipped, "--from now --once", "cat >> got");
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert_eq!(again.text_of("got"), rows(10..14));
}

fn append(recorder: &Recorder, text: &str) {
    let file = fs::OpenOptions::new().append(true).open(recorder.path("op1.csv"));
    file.expect("the recording").write_all(text.as_bytes()).expect("room");
}

#[test]
fn a_row_without_its_end_waits_and_so_does_what_a_power_cut_has_left() {
    let mut shipped = ship(recording(0..2), "--batch-wait 1ms", "cat >> got").spawn();
    shipped.wait_until("the first rows", |now| now.text_of("got") == rows(0..2));
    let next = rows(2..3);
    append(&shipped, &next[..20]);
    append(&shipped, &next[20..]);
    shipped.wait_until("the row as a whole", |now| now.text_of("got") == rows(0..3));
    append(&shipped, &format!("\0\0\0\n{}", rows(3..4)));
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let mut again = beside(&shipped, "--once", "cat >> got");
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert_eq!(again.text_of("got"), rows(0..3));
}

#[test]
fn a_file_is_followed_through_rotation_and_compression_while_it_is_read() {
    let mut shipped = ship(recording(0..5), "--batch-wait 1ms", "cat >> got").spawn();
    shipped.wait_until("the first rows", |now| now.text_of("got") == rows(0..5));
    for hour in 10..20 {
        let first = 5 * (hour - 9);
        append(&shipped, &rows(first..first + 5));
        // As the recorder does it.
        let closed = format!("op1-2026-11-23T{hour}.csv");
        fs::rename(shipped.path("op1.csv"), shipped.path(&closed)).expect("a rename");
        fs::write(shipped.path("op1.csv.next"), HEADER).expect("a file");
        fs::rename(shipped.path("op1.csv.next"), shipped.path("op1.csv")).expect("a rename");
        if hour % 2 == 0 {
            let packed = gzipped(&shipped.text_of(&closed));
            fs::write(shipped.path("part"), packed).expect("a file");
            fs::rename(shipped.path("part"), shipped.path(&format!("{closed}.gz"))).expect("one");
            fs::remove_file(shipped.path(&closed)).expect("to remove it");
        }
        if hour % 3 == 0 {
            let all = rows(0..first + 5);
            shipped.wait_until("the rows until then", |now| now.text_of("got") == all);
        }
    }
    shipped.wait_until("all rows", |now| now.text_of("got") == rows(0..55));
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
}

#[test]
fn a_file_is_known_again_after_rotation_compression_and_on_another_machine() {
    for (compress, copy) in [(false, false), (true, false), (true, true), (false, true)] {
        let mut shipped = ship(recording(0..100), "--batch-rows 30 --batch-wait 60m", KEEP).spawn();
        shipped.wait_until("three batches", |now| kept(&folder(now)).len() == 3);
        shipped.signal(Signal::SIGTERM);
        // The hour that the last rows wait for is no reason to wait.
        assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
        let closed = shipped.text_of("op1.csv") + &rows(100..110);
        fs::write(shipped.path("op1-2026-11-23.csv"), &closed).expect("a file");
        fs::write(shipped.path("op1-2026-11-24.csv"), HEADER.to_owned() + &rows(110..120))
            .expect("one");
        fs::write(shipped.path("op1.csv"), HEADER.to_owned() + &rows(120..130)).expect("a file");
        if compress {
            fs::remove_file(shipped.path("op1-2026-11-23.csv")).expect("to remove it");
            fs::write(shipped.path("op1-2026-11-23.csv.gz"), gzipped(&closed)).expect("a file");
        }
        let run = if copy {
            shipped.all_files().into_iter().fold(Run::without_key(), |run, (path, content)| {
                run.file(path.file_name().and_then(|name| name.to_str()).expect("a name"), content)
            })
        } else {
            Run::beside(&shipped)
        };
        let (code, again) = ship(run, "--once --batch-rows 30", KEEP).run_to_its_end();
        assert_eq!(code, 0, "{}", again.seen());
        assert_eq!(kept_rows(&folder(&again)), rows(0..130), "{compress} {copy}");
        let ids = fs::read_dir(folder(&again)).expect("the folder").flatten();
        let mut shippings: Vec<String> = ids
            .filter_map(|it| it.file_name().to_str()?.strip_prefix("got.").map(str::to_owned))
            .map(|id| id.split('-').next().expect("an identity").to_owned())
            .collect();
        shippings.dedup();
        assert_eq!(shippings.len(), 1, "one identity for one shipping");
    }
}

#[test]
fn an_empty_live_file_that_was_closed_meanwhile_is_not_passed_over() {
    let (code, shipped) = ship(recording(0..0), "--once", "cat >> got").run_to_its_end();
    assert_eq!(code, 0, "{}", shipped.seen());
    let named =
        |name: &str, numbers| fs::write(shipped.path(name), HEADER.to_owned() + &rows(numbers));
    named("op1-2026-11-23T14.csv", 0..5).expect("a file");
    named("op1-2026-11-23T15.csv", 5..9).expect("a file");
    named("op1.csv", 9..12).expect("a file");
    let mut again = beside(&shipped, "--once", "cat >> got");
    assert_eq!(again.wait_exit(), 0, "{}", again.seen());
    assert_eq!(again.text_of("got"), rows(0..12));
}

#[test]
fn a_terminal_shows_one_line_with_what_is_shipped_and_what_is_wrong() {
    let terminal = PseudoTerminal::new(WIDE);
    let script = "cat > /dev/null; [ -e fine ]";
    let run = ship(recording(0..3), "", script).env("TERM", "xterm-256color");
    let mut shipped = run.spawn_on(&terminal);
    let last_row = |now: &Recorder| screen(&now.stderr(), WIDE).pop().unwrap_or_default();
    shipped.wait_until("the failure in the line", |now| {
        let row = last_row(now);
        row.starts_with("t · 0 rows shipped · lag 3 rows, ")
            && row.contains(" · failing for ")
            && row.ends_with(": exit code 1")
    });
    fs::write(shipped.path("fine"), "").expect("a file");
    shipped.wait_until("the rows in the line", |now| {
        last_row(now) == "t · 3 rows shipped · lag 0 rows, 0 s"
    });
    shipped.signal(Signal::SIGTERM);
    assert_eq!(shipped.wait_exit(), 0, "{}", shipped.seen());
    let rows = screen(&shipped.stderr(), WIDE);
    assert_eq!(rows.last().expect("rows"), "read 3 = accepted 3 + waiting 0", "{rows:#?}");
    assert!(rows.iter().all(|row| !row.starts_with("t · ")), "the line is gone: {rows:#?}");
    // Nothing of it elsewhere.
    let mut elsewhere = beside(&shipped, "--once", "cat");
    assert_eq!(elsewhere.wait_exit(), 0, "{}", elsewhere.seen());
    assert!(!elsewhere.stderr().contains('\x1b'), "{}", elsewhere.seen());
}

#[test]
fn a_position_that_a_kill_has_left_unfinished_goes_and_a_file_of_the_user_stays() {
    let json = "{\n  \"format\": \"finnhub-stream ship\",\n  \"version\": 2,\n";
    let old = "finnhub-stream ship 1\nship";
    for (found, stays) in [("", false), (old, false), (json, false), ("mine\n", true)] {
        let run = recording(0..5).file("op1.csv.ship-t.new", found);
        let (code, shipped) = ship(run, "--once", "cat >> got").run_to_its_end();
        assert_eq!(code, 0, "{}", shipped.seen());
        assert_eq!(shipped.text_of("got"), rows(0..5));
        assert_eq!(shipped.path("op1.csv.ship-t.new").exists(), stays, "{found:?}");
        assert!(!stays || shipped.text_of("op1.csv.ship-t.new") == found);
        assert!(!shipped.path("op1.csv.ship-t.new-2").exists(), "nothing else is left");
    }
}

#[test]
fn names_are_independent() {
    let run = recording(0..5);
    let (code, first) = ship(run, "--once", "cat >> got").run_to_its_end();
    assert_eq!(code, 0, "{}", first.seen());
    let mut second = ship_as("u.2_x-Y", Run::beside(&first), "--once", "cat >> got.u").spawn();
    assert_eq!(second.wait_exit(), 0, "{}", second.seen());
    assert_eq!(second.text_of("got.u"), rows(0..5));
    assert_eq!(second.text_of("got"), rows(0..5));
}
