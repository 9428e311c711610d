//! Programs that are compiled already keep running: `include/asyncguest.h` has all that the header of each release had,
//! unchanged. `tests/abi` has those headers, and what they came to on 64-bit Linux as text: functions and their types,
//! constants, sizes and offsets. (That what the header declares is exported is the business of `exports.rs`.)
//!
//!     GUEST_BLESS=1 cargo test --test tree abi      records the version of Cargo.toml, if it has no record yet
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::path::{Path, PathBuf};

use crate::interface::Interface;

const REMEDY: &str = "Programs that are compiled already rely on these. Put them back, and add what is new beside them \
    (docs/abi.md, \"Versions\"); or raise the major version in Cargo.toml, with an \"ABI:\" line in CHANGELOG.md.";

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The versions that are recorded.
fn releases() -> Vec<String> {
    let names = std::fs::read_dir(file("tests/abi")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut versions: Vec<_> =
        names.filter_map(|name| Some(name.to_str()?.strip_suffix(".txt")?.to_owned())).collect();
    versions.sort();
    assert!(versions.iter().any(|version| version == "0.1.0"), "no record: {versions:?}");
    versions
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

fn present() -> Interface {
    Interface::of(&read(&file("include/asyncguest.h")))
}

#[test]
fn what_a_release_had_is_still_there() {
    let version = env!("CARGO_PKG_VERSION");
    let record = file(&format!("tests/abi/{version}.txt"));
    if std::env::var_os("GUEST_BLESS").is_some() && !record.exists() {
        std::fs::write(&record, present().text()).unwrap();
        std::fs::copy(file("include/asyncguest.h"), record.with_extension("h")).unwrap();
    }
    for release in releases().iter().filter(|release| major(release) == major(version)) {
        let old = Interface::parse(&read(&file(&format!("tests/abi/{release}.txt"))));
        let broken = present().breaks(&old);
        assert!(broken.is_empty(), "the ABI of {release} is broken:\n  {}\n{REMEDY}", broken.join("\n  "));
    }
}

#[test]
fn a_record_is_what_its_header_came_to() {
    for release in releases() {
        let header = read(&file(&format!("tests/abi/{release}.h")));
        let record = read(&file(&format!("tests/abi/{release}.txt")));
        assert!(
            Interface::of(&header).text() == record,
            "tests/abi/{release}.txt is not what tests/abi/{release}.h says: a release is recorded once, git has both"
        );
    }
}

/// The header of 0.1.0, with `from` replaced.
fn changed(from: &str, to: &str) -> Vec<String> {
    let header = read(&file("tests/abi/0.1.0.h"));
    assert!(header.contains(from), "{from:?} is not in tests/abi/0.1.0.h");
    Interface::of(&header.replacen(from, to, 1)).breaks(&Interface::of(&header))
}

#[test]
fn what_is_removed_or_changed_is_named() {
    let breaks = [
        // A function goes, gets another name, another parameter, another result.
        ("GUEST_API\nuint64_t guest_now(void);", "", "function guest_now: removed"),
        ("guest_now(void)", "guest_time(void)", "function guest_now: removed"),
        (
            "guest_now(void)",
            "guest_now(int32_t clock)",
            "function guest_now: uint64_t (void), now uint64_t (int32_t)",
        ),
        (
            "uint64_t guest_now",
            "int64_t guest_now",
            "function guest_now: uint64_t (void), now int64_t (void)",
        ),
        // So do a callback, and a name for a number.
        ("uint64_t expirations,", "uint32_t expirations,", "callback guest_timer_fn: "),
        ("typedef uint64_t guest_token_t", "typedef uint32_t guest_token_t", "type guest_token_t: "),
        // A constant goes or has another value.
        ("#define GUEST_ESTALE (-5)", "", "constant GUEST_ESTALE: removed"),
        ("#define GUEST_ESTALE (-5)", "#define GUEST_ESTALE (-50)", "constant GUEST_ESTALE: -5, now -50"),
        // A field goes, gets another type, moves.
        ("    uint64_t stall_after;\n", "", "field guest_options_t.stall_after: removed"),
        ("    int64_t value;\n", "    uint64_t value;\n", "field guest_event_t.value: int64_t at 16"),
        (
            "    uint64_t batches;\n",
            "    uint64_t new_one;\n    uint64_t batches;\n",
            "field guest_stats_t.batches: ",
        ),
        // A struct without a size of its own grows: arrays of it are the caller's.
        (
            "} guest_event_t;",
            "    uint64_t more;\n} guest_event_t;",
            "struct guest_event_t: 40 bytes, now 48 bytes",
        ),
    ];
    for (from, to, complaint) in breaks {
        let found = changed(from, to);
        assert!(found.iter().any(|line| line.starts_with(complaint)), "{from:?} -> {to:?}: {found:?}");
    }
}

#[test]
fn what_is_added_is_allowed() {
    let additions = [
        ("#define GUEST_OK 0", "#define GUEST_OK 0\n#define GUEST_ENEW (-99)"),
        (
            "GUEST_API\nuint64_t guest_now(void);",
            "GUEST_API\nuint64_t guest_now(void);\n\nGUEST_API\nint32_t guest_new(void);",
        ),
        ("} guest_options_t;", "    uint64_t more;\n} guest_options_t;"),
        // Other words for the same.
        ("uint32_t reserved;", "uint32_t flavour;"),
        ("guest_now(void)", "\n  guest_now(void)"),
        ("guest_token_t token);", "uint64_t name);"),
        ("#define GUEST_ESTALE (-5)", "#define GUEST_ESTALE (-(2 + 3))"),
        ("#define GUEST_VERSION_MINOR 1", "#define GUEST_VERSION_MINOR 2"),
    ];
    for (from, to) in additions {
        assert_eq!(changed(from, to), [""; 0], "{from:?} -> {to:?}");
    }
}
