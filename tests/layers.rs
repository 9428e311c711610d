//! The arrows of docs/design.md, and what else the files of `src` promise: where `unsafe` may stand, how long a file may be, that
//! every export goes through the boundary.

#[path = "common/source.rs"]
mod source;

use source::Source;

const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// Exports that touch nothing which could fail or panic.
const WITHOUT_BOUNDARY: [&str; 5] =
    ["guest_now", "guest_signal_arrivals", "guest_version", "guest_version_string", "guest_status_name"];

/// What must not be in a finished library.
const UNFINISHED: [&str; 6] = ["TODO", "FIXME", "unimplemented!", "todo!", ".unwrap()", ".expect("];

/// The layer of a module of the crate; anything else is a re-export of `guest` by lib.rs.
fn layer(module: &str) -> usize {
    match module {
        "error" | "id" | "clock" | "sync" => 0,
        "sys" => 1,
        "core" => 2,
        "sources" => 3,
        "ffi" => 5,
        _ => 4,
    }
}

fn may_import(from: usize, to: usize) -> bool {
    match from {
        5 => matches!(to, 0 | 4 | 5),
        from => to <= from,
    }
}

/// Every path of the crate in the file: where it stands, and its first module.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in source.words("crate") {
        add(source, at + "crate".len(), &[], &mut found);
    }
    let parents = parents(&source.path);
    for at in source.words("super") {
        if source.code[..at].ends_with("super::") {
            continue;
        }
        let mut end = at + "super".len();
        let mut up = 1;
        while source.code[end..].starts_with("::super") {
            end += "::super".len();
            up += 1;
        }
        add(source, end, &parents[..parents.len().saturating_sub(up)], &mut found);
    }
    found
}

/// The modules around and including that of a file.
fn parents(path: &str) -> Vec<&str> {
    path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').collect()
}

/// Adds the first module of the path that goes on at `end` in the module `inside`.
fn add(source: &Source, end: usize, inside: &[&str], found: &mut Vec<(usize, String)>) {
    let Some(rest) = source.code[end..].strip_prefix("::") else { return };
    if let Some(first) = inside.first() {
        found.push((end, (*first).to_owned()));
    } else if rest.starts_with('{') {
        for name in group(source.block(end)) {
            found.push((end, name));
        }
    } else {
        found.push((end, word(rest)));
    }
}

/// The first words of a group of imports, `{a, b::{c, d}}`: a and b.
fn group(block: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    for (at, c) in block.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && (c == '{' || c == ',') {
            names.push(word(block[at + 1..].trim_start()));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Fails with all that was found, one line each.
fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn imports_follow_the_layers() {
    let mut found = Vec::new();
    for source in source::all().iter().filter(|source| source.path != "lib.rs") {
        let from = layer(parents(&source.path)[0]);
        for (at, module) in imports(source) {
            if !may_import(from, layer(&module)) {
                found.push(format!(
                    "src/{}:{}: {module} (L{})",
                    source.path,
                    source.line(at),
                    layer(&module)
                ));
            }
        }
        for (system, allowed) in [("libc", "sys/"), ("mio", "sys/poller.rs")] {
            for at in source.words(system) {
                if source.code[at + system.len()..].starts_with("::") && !source.path.starts_with(allowed) {
                    found.push(format!("src/{}:{}: {system}", source.path, source.line(at)));
                }
            }
        }
    }
    none(found);
}

#[test]
fn unsafe_stands_in_sys_and_ffi_alone() {
    let sources = source::all();
    let elsewhere = sources.iter().filter(|s| !s.path.starts_with("sys/") && !s.path.starts_with("ffi/"));
    none(
        elsewhere
            .flat_map(|s| s.words("unsafe").map(|at| format!("src/{}:{}", s.path, s.line(at))))
            .collect(),
    );
}

#[test]
fn files_are_short_and_open_with_what_they_own() {
    let mut found = Vec::new();
    for source in source::all() {
        let lines = source.raw.lines().count();
        if lines > TOO_LONG {
            found.push(format!("src/{}: {lines} lines", source.path));
        } else if lines > LONG {
            println!("src/{}: {lines} lines, more than {LONG}", source.path);
        }
        if !source.raw.starts_with("//!") {
            found.push(format!("src/{}: does not open with //!", source.path));
        }
    }
    none(found);
}

#[test]
fn every_export_goes_through_the_boundary() {
    let mut found = Vec::new();
    let mut exports = 0;
    for source in source::all() {
        let place = |at| format!("src/{}:{}", source.path, source.line(at));
        for at in source.words("no_mangle") {
            let rest = &source.code[at..];
            let Some(name) = rest.find(" fn ").map(|f| word(&rest[f + 4..])) else { continue };
            exports += 1;
            if !source.path.starts_with("ffi/") {
                found.push(format!("{}: {name} is exported outside src/ffi", place(at)));
            }
            if !WITHOUT_BOUNDARY.contains(&name.as_str()) && !source.block(at).contains("boundary::") {
                found.push(format!("{}: {name}", place(at)));
            }
        }
    }
    assert!(exports > 30, "only {exports} exports found");
    none(found);
}

#[test]
fn nothing_is_unfinished() {
    let mut found = Vec::new();
    for source in source::all() {
        for mark in UNFINISHED {
            // The first two stand in comments.
            let text = if mark.starts_with(char::is_uppercase) { &source.raw } else { &source.code };
            found.extend(
                text.match_indices(mark)
                    .map(|(at, _)| format!("src/{}:{}: {mark}", source.path, source.line(at))),
            );
        }
    }
    none(found);
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let text =
        "use crate::{error, core::x};\n// crate::ffi\nfn f() { super::super::sys::g(\"crate::ffi\", '{') }\n\
                #[cfg(test)]\nmod tests { use crate::guest::G; }\nstruct S<'a>(&'a crate::id::Id);\n";
    let source = Source::new("core/source.rs".to_owned(), text.to_owned());
    let mut modules: Vec<_> = imports(&source).into_iter().map(|(_, module)| module).collect();
    modules.sort_unstable();
    assert_eq!(modules, ["core", "error", "id", "sys"]);
    assert!(!may_import(2, 4) && may_import(5, 4) && !may_import(5, 2) && may_import(0, 0));
}
