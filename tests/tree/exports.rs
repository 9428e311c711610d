//! What the built libraries show to the linker: the header's functions and nothing else, under the
//! right soname, never unloaded.

use crate::declarations;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// cargo builds the libraries before the integration tests, and beside them.
fn built(name: &str) -> PathBuf {
    let path = std::env::current_exe().unwrap().with_file_name(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// The output of a tool of binutils, `None` if it is not installed.
fn tool(name: &str, arguments: &[&str], library: &str) -> Option<String> {
    let library = built(library);
    match Command::new(name).args(arguments).arg(&library).output() {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        Ok(output) => panic!("{name} {arguments:?} {}: {output:?}", library.display()),
        Err(error) => {
            println!("skipped: {name} is not installed ({error})");
            None
        }
    }
}

fn declared() -> BTreeSet<String> {
    let mut names: BTreeSet<_> = declarations::functions(&declarations::text())
        .into_iter()
        .filter(|function| !function.on_windows)
        .map(|function| function.name)
        .collect();
    if cfg!(feature = "test-hooks") {
        names.insert("guest_test_panic".to_owned());
    }
    names
}

#[test]
fn the_shared_library_exports_the_header_and_nothing_else() {
    let Some(symbols) = tool("nm", &["-D", "--defined-only"], "libasyncguest.so") else { return };
    let exported: BTreeSet<_> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    let declared = declared();
    let missing: Vec<_> = declared.difference(&exported).collect();
    let extra: Vec<_> = exported.difference(&declared).collect();
    assert!(missing.is_empty() && extra.is_empty(), "not exported: {missing:?}, not declared: {extra:?}");
}

#[test]
fn the_static_library_defines_the_header() {
    let Some(symbols) = tool("nm", &["-g", "--defined-only"], "libasyncguest.a") else { return };
    let defined: BTreeSet<_> = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter(|name| name.starts_with("guest_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(defined, declared());
}

#[test]
fn the_shared_library_has_its_soname_and_stays_loaded() {
    let Some(dynamic) = tool("readelf", &["-d"], "libasyncguest.so") else { return };
    let soname = concat!("libasyncguest.so.", env!("CARGO_PKG_VERSION_MAJOR"));
    assert!(dynamic.contains(&format!("soname: [{soname}]")), "{dynamic}");
    assert!(dynamic.lines().any(|line| line.contains("FLAGS_1") && line.contains("NODELETE")), "{dynamic}");
}
