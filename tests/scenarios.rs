//! The C tests and the Rust tests know the same scenarios by the same names. This reads both sets of names from the
//! sources: a C scenario without a Rust test of its name has to be in the table below, with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const NULL: &str = "a reference is never NULL";
const SIZE: &str = "the compiler knows the size of a struct";
const THREAD: &str = "Guest and Handle are not Send, so the call does not compile on another thread";
const CPP: &str = "a C++ exception; reentrancy.rs has a Rust panic in a callback instead";
const GIVEN_UP: &str =
    "a Guest that is being dropped cannot be borrowed, so nothing delivers, runs or ends it";
const BOUNDARY: &str = "a panic inside the library is caught at the C boundary and nowhere else";

/// What safe Rust cannot say.
const INEXPRESSIBLE: &[(&str, &str)] = &[
    ("null_status", NULL),
    ("null_start", NULL),
    ("null_lifecycle", NULL),
    ("null_pull", NULL),
    ("null_fd", NULL),
    ("null_timer", NULL),
    ("null_post", NULL),
    ("null_signal", NULL),
    ("null_child", NULL),
    ("null_work", NULL),
    ("null_resolve", NULL),
    ("struct_size_of_host", SIZE),
    ("struct_size_of_host_is_obeyed", SIZE),
    ("struct_size_of_options", SIZE),
    ("struct_size_of_stats", SIZE),
    ("struct_size_of_live", SIZE),
    ("unknown_flags", "drives are an enum and flags are bool fields"),
    (
        "version_macros_match_the_library",
        "the macros are the header's; src/ffi/version.rs compares its numbers with Cargo's",
    ),
    ("status_names", "src/error.rs tests its table"),
    ("status_messages_are_cut_like_snprintf", "messages are strings, not buffers"),
    ("last_error_is_the_threads_own", "errors are returned, not remembered"),
    ("wrong_thread_lifecycle", THREAD),
    ("wrong_thread_free", THREAD),
    ("wrong_thread_pull", THREAD),
    ("wrong_thread_sources", THREAD),
    ("post_inlined_on_io_thread", THREAD),
    ("adopted_by_another_thread", THREAD),
    ("adopt_refused_in_a_batch", THREAD),
    ("panic_inside_thread", BOUNDARY),
    ("panic_inside_fd", BOUNDARY),
    ("panic_inside_a_callback", BOUNDARY),
    ("panic_leaves_other_guests_alone", BOUNDARY),
    ("panic_in_an_open_batch", BOUNDARY),
    ("panic_ends_the_delivery", BOUNDARY),
    ("exception_from_a_timer_thread", CPP),
    ("exception_from_a_timer_fd", CPP),
    ("exception_from_a_post_thread", CPP),
    ("exception_from_a_post_fd", CPP),
    ("exception_from_an_fd", CPP),
    ("exception_leaves_the_guest_whole", CPP),
    ("exception_in_a_nested_delivery", CPP),
    ("exception_out_of_guest_run", CPP),
    ("exception_after_free_in_callback", CPP),
    (
        "exception_with_an_edge_triggered_host",
        "a C++ exception; edge.rs has a Rust panic in a callback instead",
    ),
    ("free_with_a_drop_that_delivers", GIVEN_UP),
    ("free_with_a_drop_that_runs", GIVEN_UP),
    ("free_with_a_drop_that_shuts_down", GIVEN_UP),
    ("free_with_a_done_that_delivers", GIVEN_UP),
    ("free_with_a_done_that_runs", GIVEN_UP),
    ("free_with_a_done_that_shuts_down", GIVEN_UP),
];

/// The lines of each source in `folder` with one of the endings, by file name.
fn sources(folder: &Path, endings: &[&str]) -> BTreeMap<String, Vec<String>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted =
        files.filter(|path| path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)));
    let read = |path: std::path::PathBuf| {
        let lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        (path.file_name().unwrap().to_string_lossy().into_owned(), lines)
    };
    wanted.map(read).collect()
}

/// `TEST(name)` at the beginning of a line.
fn c_scenarios(folder: &Path) -> BTreeSet<String> {
    let name = |line: &String| Some(line.strip_prefix("TEST(")?.split_once(')')?.0.to_owned());
    sources(folder, &["c", "cpp"]).values().flatten().filter_map(name).collect()
}

/// `fn name()` on the line after `#[test]`, with the files that have it.
fn rust_scenarios(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    for (file, lines) in sources(folder, &["rs"]) {
        for pair in lines.windows(2).filter(|pair| pair[0].trim() == "#[test]") {
            let name = pair[1].trim().strip_prefix("fn ").and_then(|rest| rest.split_once('('));
            let name = name.unwrap_or_else(|| panic!("{file}: {} after #[test]", pair[1])).0;
            found.entry(name.to_owned()).or_default().push(file.clone());
        }
    }
    found
}

#[test]
fn every_c_scenario_has_a_rust_test_or_a_reason() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let (c, rust) = (c_scenarios(&tests.join("c")), rust_scenarios(&tests));
    assert!(c.len() >= 60 && rust.len() >= 60, "{} and {} names were found", c.len(), rust.len());
    let reasons: BTreeMap<&str, &str> = INEXPRESSIBLE.iter().copied().collect();
    assert_eq!(reasons.len(), INEXPRESSIBLE.len(), "a name is in the table twice");

    let missing: Vec<_> =
        c.iter().filter(|name| !rust.contains_key(*name) && !reasons.contains_key(name.as_str())).collect();
    assert!(missing.is_empty(), "C scenarios without a Rust test of that name: {missing:#?}");
    let idle: Vec<_> =
        reasons.keys().filter(|name| !c.contains(**name) || rust.contains_key(**name)).collect();
    assert!(idle.is_empty(), "in the table, but without a C test, or with a Rust test after all: {idle:#?}");
    let twice: Vec<_> = rust.iter().filter(|(_, files)| files.len() > 1).collect();
    assert!(twice.is_empty(), "names that two Rust tests have: {twice:#?}");
}
