//! Reads a position as it was written before it was JSON.
//!
//! Main thread, at the start. Such a position does not know the batch before; CMD is given none.

use super::position::{Fingerprint, Mark, Position, UnderWay};
use crate::recording::closed::Label;
use crate::text::fnv1a;

/// Its first line.
pub(super) const OLD_FORMAT: &str = "finnhub-stream ship 1\n";

/// The position; `None` when it is not what was written.
pub(super) fn parse(text: &str) -> Option<Position> {
    let (lines, checked) = text.split_at(text.rfind("check ")?);
    if checked != format!("check {:016x}\n", fnv1a(lines.as_bytes())) {
        return None;
    }
    let values = lines.strip_prefix(OLD_FORMAT)?.lines();
    let values: Vec<&str> = values.filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    let [shipping, accepted, file, passed, head, tail, offset, batch, waiting @ ..] = &values[..]
    else {
        return None;
    };
    let (file_number, file) = file.split_once(' ')?;
    let (head, tail) = (fingerprint(head)?, fingerprint(tail)?);
    let under_way = |text: &str| {
        let (to, rest) = text.split_once(' ')?;
        let (rows, tail) = rest.split_once(' ')?;
        let (offset, tail) = (to.parse().ok()?, fingerprint(tail)?);
        Some(UnderWay { end: Mark { offset, head, tail }, rows: rows.parse().ok()? })
    };
    Some(Position {
        shipping: (*shipping).to_owned(),
        after: String::new(),
        file_number: file_number.parse().ok()?,
        file: Label::parse(file),
        passed: Label::parse(passed),
        waiting: waiting.iter().filter_map(|label| Label::parse(label)).collect(),
        mark: Mark { offset: offset.parse().ok()?, head, tail },
        batch: under_way(batch),
        accepted: accepted.parse().ok()?,
    })
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    let (length, hash) = text.split_once(' ')?;
    Some(Fingerprint {
        length: length.parse().ok()?,
        hash: u64::from_str_radix(hash, 16).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::text::fnv1a;

    #[test]
    fn all_of_an_old_position_is_read() {
        let text = "finnhub-stream ship 1\nshipping 00ff\naccepted 7\nfile 2 2026-11-23T14-2\n\
            passed 2026-11-24\nhead 4 0f3ee7e5a5a5a5a5\ntail 0 cbf29ce484222325\noffset 90\n\
            batch 120 1 30 00000000000000aa\nwaiting 2026-11-25\n";
        let text = format!("{text}check {:016x}\n", fnv1a(text.as_bytes()));
        let json = parse(&text).unwrap().text();
        for part in [
            r#""shipping": "00ff""#,
            r#""after": """#,
            r#""accepted": 7"#,
            r#""file_number": 2"#,
            r#""file": "2026-11-23T14-2""#,
            r#""passed": "2026-11-24""#,
            r#""hash": "0f3ee7e5a5a5a5a5""#,
            r#""hash": "cbf29ce484222325""#,
            r#""offset": 90"#,
            r#""offset": 120"#,
            r#""rows": 1"#,
            r#""length": 30"#,
            r#""hash": "00000000000000aa""#,
            r#""2026-11-25""#,
        ] {
            assert!(json.contains(part), "{part} in {json}");
        }
        assert_eq!(parse(&text.replace("accepted 7", "accepted 8")), None);
        assert_eq!(parse(&text[..text.len() - 1]), None);
    }
}
