//! No file is in a circle of imports: of the library, of Python's extension, of the headers of the C++ binding.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::arrows;
use crate::source::{self, Source};

/// The files that are in a circle of imports.
fn circles<'a>(mut arrows: BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<&'a str> {
    loop {
        let open: BTreeSet<&str> = arrows
            .iter()
            .filter(|(_, to)| to.iter().any(|to| arrows.contains_key(to)))
            .map(|(from, _)| *from)
            .collect();
        let named: BTreeSet<&str> = arrows
            .iter()
            .filter(|(from, _)| open.contains(*from))
            .flat_map(|(_, to)| to.iter().copied())
            .collect();
        let before = arrows.len();
        // Who names nobody that is left, or is named by nobody that is left, is in no circle.
        arrows.retain(|file, _| open.contains(file) && named.contains(file));
        if arrows.len() == before {
            return arrows.into_keys().collect();
        }
    }
}

#[test]
fn no_file_is_in_a_circle_of_imports() {
    let sources = source::all();
    let arrows = arrows(&sources);
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 150, "only these were found: {arrows:?}");
    let circles = circles(arrows);
    assert!(circles.is_empty(), "in a circle: {}", circles.join(", "));
}

#[test]
fn no_file_of_the_extension_is_in_a_circle_of_imports() {
    let sources = source::extension();
    let mut arrows = arrows(&sources);
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 150, "only these were found: {arrows:?}");
    for (from, to) in MAKES_A_CIRCLE {
        assert!(arrows.get_mut(from).is_some_and(|named| named.remove(to)), "{from} does not import {to}");
    }
    let circles = circles(arrows);
    assert!(circles.is_empty(), "in a circle, or between two: {}", circles.join(", "));
}

/// Imports of the extension that lead back, in the only circles that there are.
const MAKES_A_CIRCLE: [(&str, &str); 2] = [
    ("handle.rs", "loop_state.rs"), // a handle belongs to its loop, and the loop's state is made of handles
    ("reactor.rs", "delivery.rs"),  // `Reactor.delivery()` makes what a `with` statement enters
];

#[test]
fn no_header_of_the_cpp_binding_is_in_a_circle_of_includes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bindings/cpp/include/asyncguest");
    let headers: BTreeMap<String, String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    let included = |text: &str| -> BTreeSet<&str> {
        let is_included = |name: &&str| {
            ["\"", "<asyncguest/"].iter().any(|before| text.contains(&format!("#include {before}{name}")))
        };
        headers.keys().map(String::as_str).filter(is_included).collect()
    };
    let arrows: BTreeMap<&str, BTreeSet<&str>> =
        headers.iter().map(|(name, text)| (name.as_str(), included(text))).collect();
    assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 40, "only these were found: {arrows:?}");
    assert_eq!(circles(arrows), [""; 0]);
}

#[test]
fn circles_are_found_and_nothing_else() {
    let file = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let sources = [
        file("core/a.rs", "use super::b::{B, C};"),
        file("core/b.rs", "use crate::core::{c::C, d::{self, D}};"),
        file("core/c.rs", "fn f() { crate::core::a::f() }"),
        file("core/d.rs", "use super::super::sys::x;"),
        file("core/mod.rs", "use self::a::A; use crate::core::b;"),
        file("sys/x.rs", "// crate::core::d\n"),
        file("lone.rs", "use crate::core::a;"),
    ];
    assert_eq!(circles(arrows(&sources)), ["core/a.rs", "core/b.rs", "core/c.rs"]);
}
