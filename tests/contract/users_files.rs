//! Files of the user's beside a recording, under names that the program might want: not touched. What
//! a kill has left of the program's own is cleared away.

use std::fs;

use crate::harness::Run;
use crate::server::Server;

const HEADER: &str = "ticker,price,volume,timestamp_ms,received_ms,conditions\n";
/// Received at 2026-11-18T11:06:40Z.
const OLD_ROW: &str = "AAPL,1.5,5,1795000000000,1795000000000,1;12\n";
const LEDGER: &str =
    "time_ms,state,tickers,reason\n1794999999000,live,AAPL,\n1795000000000,down,,stopped\n";

/// A start that rotates and compresses, which needs all the names there are. Some of the user's
/// files begin as the program's own do.
#[test]
fn a_rotation_with_compression_touches_no_file_of_the_users() {
    let halves = [("op1-2026-11-18.csv.gz.part", "mine"), ("op1-2026-11-17.csv.gz.part", "mine")];
    let next = [("op1.csv.next", HEADER), ("op1.coverage.csv.next", LEDGER)];
    let others = [("op1.csv.redo", "mine"), ("op1.csv.torn-1", "mine"), ("op1.csv.next-1", "mine")];
    let mut run = Run::new().file("op1.csv", format!("{HEADER}{OLD_ROW}"));
    run = run.file("op1.coverage.csv", LEDGER);
    for (name, text) in halves.into_iter().chain(next).chain(others) {
        run = run.file(name, text);
    }
    // And this is not.
    run = run.file("op1.csv.next-1795000000000", HEADER);
    run = run.file("op1.coverage.csv.next-1795000000000", "time_ms,state,");
    let server = Server::plain();
    let run = run.url(&server.url()).tickers("AAPL").arg("--rotate").arg("daily");
    let mut recorder = run.arg("--compress").spawn();
    let connection = server.connect_and_wait_for_subscriptions(1);
    recorder.wait_until_it_says("compressed ");
    assert_eq!(recorder.stop(connection), 0, "{}", recorder.seen());
    for (name, text) in halves.into_iter().chain(next).chain(others) {
        assert_eq!(fs::read_to_string(recorder.path(name)).expect(name), text);
    }
    assert_eq!(recorder.names_with("next-"), ["op1.csv.next-1"], "{}", recorder.seen());
    assert_eq!(recorder.names_with("part").len(), 2);
    let made = ["op1-2026-11-18.coverage.csv", "op1-2026-11-18.csv.gz"];
    for name in ["op1.csv", "op1.coverage.csv", "op1.csv.lock"].into_iter().chain(made) {
        assert!(recorder.path(name).exists(), "{name}");
    }
}
