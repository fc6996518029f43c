//! Values of options, and what is said of wrong ones.

use std::time::Duration;

use super::{Fsync, address, columns, fsync, origin};

#[test]
fn an_address_has_a_port() {
    for (given, shown) in [
        ("127.0.0.1:8787", "127.0.0.1:8787"),
        ("localhost:0", "127.0.0.1:0"),
        ("8787", "127.0.0.1:8787"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::1]:9000", "[::1]:9000"),
    ] {
        assert_eq!(address(given).unwrap().to_string(), shown);
    }
    for wrong in ["", "99999", ":8787", "localhost", "127.0.0.1", "example.com:80", "1:99999"] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_origin_is_spelled_as_browsers_send_it() {
    for (given, sent) in [
        ("http://localhost:5173", "http://localhost:5173"),
        ("HTTPS://App.Example.com", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:80", "https://example.com:80"),
        ("http://[::1]:5173", "http://[::1]:5173"),
    ] {
        assert_eq!(origin(given).unwrap(), sent);
    }
    for wrong in [
        "",
        "*",
        "null",
        "localhost:5173",
        "http://",
        "http://*",
        "http://*.example.com",
        "http://localhost:5173/",
        "http://a/b",
        "http://a?b",
        "http://a@b",
        "http://a:",
        "http://a:99999",
        "http://a b",
        "http://:80",
        "ftp://a",
        "file://",
        "http://a,http://b",
        "http://ä.example",
    ] {
        let error = origin(wrong).expect_err(wrong);
        assert!(error.contains("like http://localhost:5173"), "{error}");
    }
}

#[test]
fn columns_are_named_once_each() {
    assert_eq!(columns("price, ticker").unwrap().len(), 2);
    for wrong in ["", "prize", "price,price", "price,"] {
        assert!(columns(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn fsync_is_a_word_or_an_interval() {
    assert_eq!(fsync("always").unwrap(), Fsync::Always);
    assert_eq!(fsync("never").unwrap(), Fsync::Never);
    for (given, ms) in
        [("1s", 1000), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000), ("1d", 86_400_000)]
    {
        assert_eq!(fsync(given).unwrap(), Fsync::Every(Duration::from_millis(ms)));
    }
    for wrong in ["", "1", "0s", "-1s", "25h", "s", "always ", "99999999999999999999s", "2000m"] {
        assert!(fsync(wrong).is_err(), "{wrong}");
    }
}
