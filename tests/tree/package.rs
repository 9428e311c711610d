//! What `cargo package` puts together: the files of the crate and nothing else, and that they build.

use std::path::Path;
use std::process::Command;

/// Beside the modules of `src`. Cargo writes the first and `Cargo.toml.orig` itself.
const FILES: [&str; 13] = [
    ".cargo_vcs_info.json",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "build.rs",
    "cbindgen.toml",
    "include/asyncguest.h",
    "include/asyncguest_glib.h",
    "include/asyncguest_win32.h",
];

/// What `cargo package` prints, in the folder of this test's products.
fn cargo_package(argument: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--quiet", "--offline", "--allow-dirty", argument, "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("package"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo package {argument}: {errors}");
    String::from_utf8(output.stdout).expect("names in UTF-8")
}

#[test]
fn the_package_has_its_files_and_no_others() {
    let packed = cargo_package("--list");
    let (modules, others): (Vec<&str>, Vec<&str>) =
        packed.lines().partition(|name| name.starts_with("src/") && name.ends_with(".rs"));
    assert!(modules.contains(&"src/lib.rs"), "{modules:?}");
    // Outside of git there is no commit to name.
    let expected: Vec<&str> =
        FILES.into_iter().filter(|&name| name != FILES[0] || others.contains(&name)).collect();
    assert_eq!(others, expected);
}

#[test]
fn the_package_builds() {
    cargo_package("--all-features");
}
