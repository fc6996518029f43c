//! Rows as they are found, torn or damaged ones too, however the file comes in pieces.

use proptest::prelude::*;

use super::*;

/// Gives a few bytes at a time, as a pipe may.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len());
        (&self.0[..self.0.len().min(count)]).read(buffer).inspect(|&count| {
            self.0 = &self.0[count..];
        })
    }
}

/// Every row as its line and its fields joined with `|`, or what is broken; then the number
/// of unfinished bytes.
fn read_all(source: impl Read) -> (Vec<(u64, String)>, u64) {
    let mut reader = RowReader::new(source);
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row().unwrap() {
        let shown = match row.fields {
            Err(broken) => format!("{broken:?}"),
            Ok(fields) => (0..fields.count())
                .map(|at| String::from_utf8_lossy(&fields.get(at)).into_owned())
                .collect::<Vec<_>>()
                .join("|"),
        };
        rows.push((row.line, shown));
    }
    (rows, reader.unfinished_bytes())
}

fn check(text: &str, expected: &[(u64, &str)], unfinished: u64) {
    for step in [1, 2, 1000] {
        let (rows, rest) = read_all(Dribble(text.as_bytes(), step));
        let rows: Vec<_> = rows.iter().map(|(line, shown)| (*line, shown.as_str())).collect();
        assert_eq!(rows, expected, "{text:?} by {step}");
        assert_eq!(rest, unfinished, "{text:?} by {step}");
    }
}

#[test]
fn rows_end_at_newlines_outside_quotes() {
    check("", &[], 0);
    check("a,b\nc,d\n", &[(1, "a|b"), (2, "c|d")], 0);
    check("a,b\r\nc,d\r\n", &[(1, "a|b"), (2, "c|d")], 0);
    check("\u{feff}a,b\nc", &[(1, "a|b")], 1);
    check("\u{feff}\"a\"\n", &[(1, "a")], 0);
    check("\n,\n", &[(1, ""), (2, "|")], 0);
    check("a\n\n\r\nb\n", &[(1, "a"), (2, ""), (3, ""), (4, "b")], 0);
    check("a,b\n\n\r\n,\n\n", &[(1, "a|b"), (4, "|")], 0);
    check("a,b", &[], 3);
    check("\"a,\nb\",\"\"\nc\n", &[(1, "a,\nb|"), (3, "c")], 0);
    check("x,\"say \"\"a\"\"\"\r\ny\n", &[(1, "x|say \"a\""), (2, "y")], 0);
    check("x,\"a\"", &[], 5);
    check("x\n\"a\r", &[(1, "x")], 3);
}

#[test]
fn a_damaged_quote_costs_its_own_line_only() {
    check("A\"B,1\nc\n", &[(1, "StrayQuote"), (2, "c")], 0);
    check("\"A\"B,1\nc\n", &[(1, "TextAfterQuote"), (2, "c")], 0);
    check("\"A,1\nc,2\n\"d\",3\n", &[(1, "TextAfterQuote"), (2, "c|2"), (3, "d|3")], 0);
    check("x,\"a\" \n\"b\n\"\n", &[(1, "TextAfterQuote"), (2, "b\n")], 0);
}

#[test]
fn a_quote_that_would_hide_whole_rows_up_to_the_end_is_a_damaged_one() {
    check("x,y\n\"A,1\nc,2\nd,3\n", &[(1, "x|y"), (2, "OpenQuote"), (3, "c|2"), (4, "d|3")], 0);
    check(
        "x,y\n\"A,1\nno row\nd,3\ne",
        &[(1, "x|y"), (2, "OpenQuote"), (3, "no row"), (4, "d|3")],
        1,
    );
    // A torn row of two lines, none of which is a row.
    check("x,y\n\"A\nB\n", &[(1, "x|y")], 5);
    check("x,y\n\"A\nB,1", &[(1, "x|y")], 6);
}

#[test]
fn rows_that_are_passed_over_end_where_those_that_are_read_end() {
    let text = "h,i\na,1\nb,2\n\"c\n\",3\nd\"e,4\nf,5\ng";
    for step in [1, 3, 1000] {
        let mut reader = RowReader::new(Dribble(text.as_bytes(), step));
        loop {
            reader.skip_plain_rows();
            if reader.next_row().unwrap().is_none() {
                break;
            }
        }
        assert_eq!((reader.position(), reader.unfinished_bytes()), (text.len() as u64 - 1, 1));
    }
}

#[test]
fn memory_is_bounded_whatever_the_row() {
    let long = "x".repeat(3 * LONGEST_ROW);
    let row = |line, shown: &str| (line, shown.to_owned());
    let (found, rest) = read_all(format!("a\n{long}\nb\n").as_bytes());
    assert_eq!(found, [row(1, "a"), row(2, "TooLong"), row(3, "b")]);
    assert_eq!(rest, 0);
    let (found, rest) = read_all(format!("a\n{long}").as_bytes());
    assert_eq!(found, [row(1, "a")]);
    assert_eq!(rest, 3 * LONGEST_ROW as u64);
    let rows = "c\n".repeat(LONGEST_ROW);
    let (found, rest) = read_all(format!("a\n\"{rows}").as_bytes());
    assert_eq!(found[1], row(2, "OpenQuote"));
    assert_eq!(found[2], row(3, "c"));
    assert_eq!((found.len(), rest), (LONGEST_ROW + 1, 0));
}

proptest! {
    #[test]
    fn how_the_bytes_arrive_changes_nothing(text in "[a\",\r\n]{0,40}", step in 1_usize..9) {
        let whole = read_all(text.as_bytes());
        prop_assert_eq!(read_all(Dribble(text.as_bytes(), step)), whole);
    }

    #[test]
    fn what_a_csv_writer_writes_is_read_back(
        rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,4}|[\",\r\na]{0,4}", 3), 0..6)
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut reader = RowReader::new(text.as_slice());
        for row in &rows {
            let found = reader.next_row().unwrap().unwrap();
            let fields = found.fields.unwrap();
            prop_assert_eq!(fields.count(), row.len());
            for (at, field) in row.iter().enumerate() {
                prop_assert_eq!(&*fields.get(at), field.as_bytes());
            }
        }
        prop_assert!(reader.next_row().unwrap().is_none());
        prop_assert_eq!(reader.unfinished_bytes(), 0);
    }
}
