//! Reads the library's own source files: enough of Rust's grammar to tell code from comments, strings and tests.

use std::path::{Path, PathBuf};

/// One file of a crate.
pub struct Source {
    /// Below the crate's `src`, such as `core/host.rs`.
    pub path: String,
    pub raw: String,
    /// `raw` without comments and the insides of strings, all at the same places.
    pub code: String,
}

/// Every file of `src`, without its tests.
pub fn all() -> Vec<Source> {
    below("src")
}

/// Every file of Python's extension module.
pub fn extension() -> Vec<Source> {
    below("bindings/python/native/src")
}

fn below(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue; // a file or a folder
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

impl Source {
    pub fn new(path: String, raw: String) -> Source {
        let mut raw = raw;
        let mut code = without_text(&raw);
        while let Some((from, to)) = tests(&raw, &code) {
            blank(&mut raw, from, to);
            blank(&mut code, from, to);
        }
        Source { path, raw, code }
    }

    /// The line number at a place in `code`.
    pub fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    /// The block that begins at the first brace after `at`.
    pub fn block(&self, at: usize) -> &str {
        let (from, to) = block(&self.code, at);
        &self.code[from..to]
    }

    /// Where `word` stands in the code as a word of its own.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            !self.code[..at].ends_with(is_part) && !self.code[at + word.len()..].starts_with(is_part)
        })
    }
}

/// The first module that is compiled for tests alone.
fn tests(raw: &str, code: &str) -> Option<(usize, usize)> {
    let is_test = |from: usize| {
        let attribute = raw[from..].split(']').next().unwrap_or_default();
        attribute.contains("test") && !attribute.contains("test-hooks") && !attribute.contains("not(test")
    };
    let (from, _) = code.match_indices("#[cfg(").find(|&(from, _)| is_test(from))?;
    // The item ends with its block, or before it with a semicolon.
    let end = code[from..].find(['{', ';']).map(|at| from + at)?;
    let to = if code.as_bytes()[end] == b';' { end + 1 } else { block(code, end).1 };
    Some((from, to))
}

fn block(code: &str, at: usize) -> (usize, usize) {
    let from = at + code[at..].find('{').unwrap_or(code.len() - at);
    let mut depth = 0;
    for (place, c) in code[from..].char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 {
            return (from, from + place + 1);
        }
    }
    (from, code.len())
}

fn blank(text: &mut String, from: usize, to: usize) {
    let spaces: String = text[from..to].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(from..to, &spaces);
}

/// Blanks comments and the insides of strings and characters.
fn without_text(raw: &str) -> String {
    let mut code = raw.to_owned();
    let mut at = 0;
    while at < raw.len() {
        let rest = &raw[at..];
        let (skip, length, keep) = if rest.starts_with("//") {
            (0, rest.find('\n').unwrap_or(rest.len()), 0)
        } else if rest.starts_with("/*") {
            (0, rest.find("*/").map_or(rest.len(), |end| end + 2), 0)
        } else if let Some(text) = rest.strip_prefix("r#\"") {
            (3, text.find("\"#").map_or(rest.len(), |end| end + 5), 2)
        } else if rest.starts_with('"') {
            (1, string_length(rest, '"'), 1)
        } else if is_character(rest) {
            (1, string_length(rest, '\''), 1)
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        blank(&mut code, at + skip, at + length - keep);
        at += length;
    }
    code
}

/// A character in quotes, and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('\'')
        && match characters.next() {
            Some('\\') => true,
            Some(_) => characters.next() == Some('\''),
            None => false,
        }
}

fn string_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}
