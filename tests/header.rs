//! `include/asyncguest.h` is what cbindgen makes of `src/ffi`, and every function in it is documented.
//!
//!     GUEST_BLESS=1 cargo test --test header      writes the header anew

#[path = "common/header.rs"]
mod header;

use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn generated() -> String {
    let mut config = cbindgen::Config::from_file(Path::new(ROOT).join("cbindgen.toml")).unwrap();
    // Behind the feature "test-hooks": not part of the ABI.
    config.export.exclude.push("guest_test_panic".into());
    let bindings = cbindgen::Builder::new().with_crate(ROOT).with_config(config).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    in_parentheses(&String::from_utf8(text).unwrap())
}

/// `#define X -1` becomes `#define X (-1)`, so that `0 -X` and `a X` stay what they look like.
fn in_parentheses(header: &str) -> String {
    let lines = header.lines().map(|line| match line.split_once(" -") {
        Some((define, number)) if define.starts_with("#define ") => format!("{define} (-{number})\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn the_header_is_up_to_date() {
    let generated = generated();
    if std::env::var_os("GUEST_BLESS").is_some() {
        std::fs::write(Path::new(ROOT).join("include/asyncguest.h"), &generated).unwrap();
        return;
    }
    let committed = header::text();
    if let Some((n, (is, should))) =
        committed.lines().zip(generated.lines()).enumerate().find(|(_, (is, should))| is != should)
    {
        let n = n + 1;
        panic!(
            "include/asyncguest.h:{n} is old:\n  {is}\nsrc/ffi says:\n  {should}\n\
             Run GUEST_BLESS=1 cargo test --test header, and look at what it changed."
        );
    }
    assert!(committed == generated, "include/asyncguest.h has another length than src/ffi says");
}

#[test]
fn every_function_says_its_thread_and_its_errors() {
    let functions = header::functions(&header::text());
    assert!(functions.len() > 30, "only {} functions found", functions.len());
    for function in functions {
        let header::Function { name, doc, declaration } = &function;
        assert!(doc.contains("Thread:"), "{name}: the comment does not say which thread may call it");
        if declaration.starts_with("guest_status_t") && declaration.contains('*') {
            assert!(doc.contains("Errors:"), "{name}: the comment does not list its errors");
        }
    }
}

#[test]
fn negative_numbers_stand_in_parentheses() {
    assert_eq!(in_parentheses("#define A -12\n#define B 3\nx -1\n"), "#define A (-12)\n#define B 3\nx -1\n");
}

#[test]
fn every_macro_has_our_prefix() {
    // What is not ours would be defined in the user's program too.
    let text = header::text();
    let names = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_whitespace().next());
    let foreign: Vec<_> =
        names.filter(|name| !name.starts_with("GUEST_") && *name != "ASYNCGUEST_H").collect();
    assert!(foreign.is_empty(), "exclude these in cbindgen.toml: {foreign:?}");
}
