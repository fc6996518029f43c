#!/usr/bin/env bash
# dotenvy 0.15.7 (crates.io), python-dotenv 1.2.1 (PyPI), dotenv 16.6.1 (npm): three readers of
# one .env file see three different API keys.
#
# Guess: a line KEY=value without quotes and blanks means the same to all of them.
# Seen: of KEY=abc$def dotenvy keeps abc (the rest is taken for a variable that is not set), and
# of KEY=abc#def npm's dotenv keeps abc (the rest is taken for a comment). The others keep all.
# Why it matters: keys of data vendors and passwords of databases hold such letters. The
# recorder starts with half a key, and the vendor's answer is only "invalid".
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# shellcheck disable=SC2016 # the dollar sign belongs to the file
printf '%s\n' 'DOLLAR=abc$def' 'HASH=abc#def' > .env

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check python-dotenv==1.2.1
npm init -y > init.log
npm install --silent --ignore-scripts --no-audit --no-fund dotenv@16.6.1
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
dotenvy = "=0.15.7"
TOML
cat > src/main.rs <<'RUST'
fn main() {
    let values: Vec<String> =
        dotenvy::from_path_iter(".env").unwrap().map(|pair| pair.unwrap().1).collect();
    println!("dotenvy {}", values.join(" "));
}
RUST
{
    cargo run --quiet
    venv/bin/python -c 'import dotenv; print("python-dotenv", *dotenv.dotenv_values(".env").values())'
    node -e 'const file = require("fs").readFileSync(".env");
        console.log("npm dotenv", ...Object.values(require("dotenv").parse(file)));'
} | tee seen.txt
# shellcheck disable=SC2016
printf '%s\n' 'dotenvy abc abc#def' 'python-dotenv abc$def abc#def' 'npm dotenv abc$def abc' |
    diff seen.txt - || { echo "changed"; exit 1; }
