//! The arrows of docs/design.md, and what else the files of `src` promise: where `unsafe` may stand, how long a file may be, that
//! every export goes through the boundary.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{self, Source};

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
        "error" | "id" | "clock" | "sync" | "room" => 0,
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

/// Every path of the crate that the file names, as modules: `["core", "turn", "budget", "Budget"]`.
fn paths(source: &Source) -> Vec<Vec<String>> {
    let parents: Vec<String> = parents(&source.path).into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    for at in source.words("crate") {
        follow(&source.code, at + "crate".len(), Vec::new(), &mut found);
    }
    for at in source.words("super") {
        let is_path = source.code[at + "super".len()..].starts_with("::");
        if is_path && !source.code[..at].ends_with("super::") {
            let ups = source.code[at..].split("::").take_while(|part| *part == "super").count();
            let inside = parents[..parents.len() - ups].to_vec();
            follow(&source.code, at + "super".len() + (ups - 1) * "::super".len(), inside, &mut found);
        }
    }
    found
}

/// Follows a path, and each branch of a group of imports.
fn follow(code: &str, at: usize, path: Vec<String>, found: &mut Vec<Vec<String>>) {
    let Some(rest) = code[at..].strip_prefix("::") else {
        found.push(path);
        return;
    };
    let at = at + 2;
    if !rest.starts_with('{') {
        let name = word(rest);
        let end = at + name.len();
        let path = path.into_iter().chain([name]).collect();
        return follow(code, end, path, found);
    }
    let mut depth = 0;
    for (place, c) in rest.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 1 && (c == '{' || c == ',') {
            let name = word(rest[place + 1..].trim_start());
            let end = at
                + place
                + 1
                + (rest[place + 1..].len() - rest[place + 1..].trim_start().len())
                + name.len();
            if !name.is_empty() {
                follow(code, end, path.iter().cloned().chain([name]).collect(), found);
            }
        }
        if depth == 0 {
            break;
        }
    }
}

/// Which files each file names. A `mod.rs` is a signpost: what it names does not count, nor who names it.
pub fn arrows(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let files: BTreeMap<String, &str> = sources
        .iter()
        .filter(|source| !source.path.ends_with("mod.rs"))
        .map(|source| (source.path.trim_end_matches(".rs").to_owned(), source.path.as_str()))
        .collect();
    let named = |source: &Source| {
        paths(source)
            .iter()
            .filter_map(|path| (1..=path.len()).rev().find_map(|n| files.get(&path[..n].join("/")).copied()))
            .filter(|file| *file != source.path)
            .collect()
    };
    files.values().map(|path| (*path, named(sources.iter().find(|s| s.path == *path).unwrap()))).collect()
}

/// The wings of core: the base imports none of them, and each only those before it.
fn wing(path: &str) -> Option<usize> {
    let inside = path.strip_prefix("core/")?;
    Some(match inside.split('/').next() {
        Some("waiting") => 1,
        Some("registered") => 2,
        Some("turn") => 3,
        _ => 0,
    })
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
        for (system, allowed) in
            [("libc", "sys/"), ("mio", "sys/linux/poller.rs"), ("windows_sys", "sys/windows/")]
        {
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
fn the_wings_of_core_import_what_is_below_them() {
    assert_eq!(wing("core/turn/reactor.rs"), Some(3));
    assert_eq!(wing("sys/mod.rs"), None);
    let mut found = Vec::new();
    let sources = source::all();
    for (from, named) in arrows(&sources) {
        for to in named {
            if let (Some(mine), Some(theirs)) = (wing(from), wing(to)) {
                if theirs > mine {
                    found.push(format!("src/{from}: src/{to}"));
                }
            }
        }
    }
    none(found);
}

#[test]
fn a_drive_is_known_by_name_where_it_is_chosen_and_nowhere_else() {
    let known = [
        "core/waiting/thread.rs",
        "core/waiting/fd.rs",
        "core/waiting/run.rs",
        "core/options.rs",
        "core/turn/reactor.rs",
    ];
    let sources = source::all();
    let core = sources.iter().filter(|s| s.path.starts_with("core/") && !known.contains(&s.path.as_str()));
    none(
        core.flat_map(|s| {
            s.words("Drive")
                .filter(|at| s.code[at + 5..].starts_with("::"))
                .map(|at| format!("src/{}:{}", s.path, s.line(at)))
        })
        .collect(),
    );
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
            let through = ["boundary::", "driving::"].iter().any(|way| source.block(at).contains(way));
            if !WITHOUT_BOUNDARY.contains(&name.as_str()) && !through {
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
