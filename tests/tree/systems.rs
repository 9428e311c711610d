//! A system that the crate is not for is refused in one sentence, by the build script.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The build script as a program.
fn build_script() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script");
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let status = Command::new(rustc).args(["--edition", "2021", "-o"]).arg(&program).arg(source).status();
    assert!(status.expect("rustc is beside cargo").success());
    program
}

#[test]
fn other_systems_are_refused_in_one_sentence() {
    let script = build_script();
    let says = |os: &str, bits: &str| {
        let output = Command::new(&script)
            .env("CARGO_CFG_TARGET_OS", os)
            .env("CARGO_CFG_TARGET_POINTER_WIDTH", bits)
            .env("CARGO_PKG_VERSION_MAJOR", "7")
            .output()
            .expect("the build script runs");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for (os, bits) in
        [("macos", "64"), ("windows", "32"), ("android", "64"), ("freebsd", "64"), ("linux", "32")]
    {
        let said = says(os, bits);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("cargo::error=")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        assert!(
            errors[0].contains("64-bit Linux") && errors[0].contains(&format!("for {os}, {bits}-bit")),
            "{said}"
        );
    }
    let said = says("linux", "64");
    assert!(said.contains("libasyncguest.so.7") && !said.contains("cargo::error"), "{said}");
    // A DLL has no soname.
    let said = says("windows", "64");
    assert!(!said.contains("link-arg") && !said.contains("cargo::error"), "{said}");
}
