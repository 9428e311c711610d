//! The build script: a system that the crate is not for is refused in one sentence; a DLL gets a version resource.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of the test's own, with the build script in it as a program.
fn build_script(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("build-script");
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
    let status = Command::new(rustc).args(["--edition", "2021", "-o"]).arg(&program).arg(source).status();
    assert!(status.expect("rustc is beside cargo").success());
    program
}

/// What it says in a build for that system.
fn says(script: &Path, os: &str, bits: &str, more: &[(&str, &str)]) -> String {
    let output = Command::new(script)
        .env("CARGO_CFG_TARGET_OS", os)
        .env("CARGO_CFG_TARGET_POINTER_WIDTH", bits)
        .env("CARGO_PKG_VERSION", "7.8.9")
        .env("CARGO_PKG_VERSION_MAJOR", "7")
        .env("CARGO_PKG_VERSION_MINOR", "8")
        .env("CARGO_PKG_VERSION_PATCH", "9")
        .env("OUT_DIR", script.parent().unwrap())
        .envs(more.iter().copied())
        .output()
        .expect("the build script runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Its lines that begin with `cargo::error=` or the like.
fn lines<'a>(said: &'a str, kind: &str) -> Vec<&'a str> {
    said.lines().filter_map(|line| line.strip_prefix(kind)).collect()
}

#[test]
fn other_systems_are_refused_in_one_sentence() {
    let script = build_script("systems");
    for (os, bits) in
        [("macos", "64"), ("windows", "32"), ("android", "64"), ("freebsd", "64"), ("linux", "32")]
    {
        let said = says(&script, os, bits, &[]);
        let errors = lines(&said, "cargo::error=");
        assert_eq!(errors.len(), 1, "{said}");
        assert!(
            errors[0].contains("64-bit Linux") && errors[0].contains(&format!("for {os}, {bits}-bit")),
            "{said}"
        );
    }
    let said = says(&script, "linux", "64", &[]);
    assert!(said.contains("libasyncguest.so.7") && !said.contains("cargo::error"), "{said}");
}

#[test]
fn a_dll_has_a_version_resource_and_no_soname() {
    let script = build_script("resource");
    let folder = script.parent().unwrap();
    // What the compiler is called, which variable names another, what it makes. `true` stands for one that works.
    for (environment, variable, object) in [("gnu", "WINDRES", "version.o"), ("msvc", "RC", "version.res")] {
        let in_that = ("CARGO_CFG_TARGET_ENV", environment);
        let said = says(&script, "windows", "64", &[in_that, (variable, "true")]);
        let object = folder.join(object).display().to_string();
        assert_eq!(lines(&said, "cargo:rustc-cdylib-link-arg="), [object.as_str()], "{said}");
        assert!(!said.contains("cargo:warning") && !said.contains("cargo::error"), "{said}");

        // Without one there is a DLL all the same.
        for (compiler, complaint) in
            [("no-such-compiler", "there is no no-such-compiler"), ("false", "has failed")]
        {
            let said = says(&script, "windows", "64", &[in_that, (variable, compiler)]);
            let warnings = lines(&said, "cargo:warning=");
            assert!(warnings.len() == 1 && warnings[0].contains(complaint), "{said}");
            assert!(!said.contains("link-arg") && !said.contains("cargo::error"), "{said}");
        }
    }
    let resource = std::fs::read_to_string(folder.join("version.rc")).unwrap();
    for line in ["FILEVERSION 7,8,9,0", "PRODUCTVERSION 7,8,9,0", "VALUE \"ProductVersion\", \"7.8.9\""] {
        assert!(resource.lines().any(|text| text.trim() == line), "{line}: {resource}");
    }
}
