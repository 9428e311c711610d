//! A header as what compiled programs know of it: a list of names, and what each of them is.

use crate::declarations;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// `("function guest_now", "uint64_t (void)")`, `("struct guest_event_t", "40 bytes")` and so on, in the header's order.
pub struct Interface(Vec<(String, String)>);

impl Interface {
    pub fn of(header: &str) -> Interface {
        let plain = without_comments(header);
        let aliases = aliases(&plain);
        let resolve = |text: &str| resolved(text, &aliases);
        let mut known: Vec<_> =
            aliases.iter().map(|(name, what)| (format!("type {name}"), what.clone())).collect();
        known.sort();
        for typedef in statements(&plain, "typedef ").filter(|typedef| typedef.contains("(*")) {
            let (name, what) = signature(typedef);
            known.push((format!("callback {name}"), resolve(&what)));
        }
        for function in declarations::functions(&plain).into_iter().filter(|function| !function.on_windows) {
            let (name, what) = signature(&function.declaration);
            known.push((format!("function {name}"), resolve(&what)));
        }
        let mut asked = Vec::new(); // of the compiler: a key, what is known, printf's format, its arguments
        for name in constants(&plain) {
            let number = format!("{name} > 0 ? \"%llu\" : \"%lld\", (long long){name}");
            asked.push((format!("constant {name}"), String::new(), number));
        }
        for (name, fields) in structs(&plain) {
            asked.push((format!("struct {name}"), String::new(), format!("\"%zu bytes\", sizeof({name})")));
            // A name for what is kept free may come.
            for (field, what) in fields.iter().filter(|(field, _)| field != "reserved") {
                let place = format!(
                    "\" at %zu, %zu bytes\", offsetof({name}, {field}), sizeof((({name} *)0)->{field})"
                );
                asked.push((format!("field {name}.{field}"), resolve(what), place));
            }
        }
        let questions: Vec<_> = asked.iter().map(|(_, _, question)| question.as_str()).collect();
        let answers = compiled(header, &questions);
        known.extend(asked.into_iter().zip(answers).map(|((key, what, _), answer)| (key, what + &answer)));
        Interface(known)
    }

    pub fn parse(text: &str) -> Interface {
        let lines = text.lines().map(|line| line.split_once(": ").expect("each line is \"NAME: WHAT\""));
        Interface(lines.map(|(key, what)| (key.to_owned(), what.to_owned())).collect())
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|(key, what)| format!("{key}: {what}\n")).collect()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, what)| what.as_str())
    }

    /// What a program that was compiled with `old` would find missing or other than it was.
    pub fn breaks(&self, old: &Interface) -> Vec<String> {
        let complaint = |(key, was): &(String, String)| match self.get(key) {
            None => Some(format!("{key}: removed")),
            Some(is) if is != was && !old.may_grow(key, was, is) => Some(format!("{key}: {was}, now {is}")),
            Some(_) => None,
        };
        old.0.iter().filter_map(complaint).collect()
    }

    /// A struct that tells its size to the library may be larger in a later header.
    fn may_grow(&self, key: &str, was: &str, is: &str) -> bool {
        let bytes = |text: &str| text.strip_suffix(" bytes").and_then(|number| number.parse::<u64>().ok());
        let Some(name) = key.strip_prefix("struct ") else { return false };
        self.get(&format!("field {name}.struct_size")).is_some() && bytes(was) <= bytes(is)
    }
}

fn without_comments(header: &str) -> String {
    let mut rest = header;
    let mut plain = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        plain += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain + rest
}

/// What stands between `begin`, at the beginning of a line, and a semicolon.
fn statements<'a>(plain: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = plain.match_indices(begin).filter(|(at, _)| plain[..*at].ends_with('\n'));
    lines.filter_map(move |(at, _)| plain[at + begin.len()..].split(';').next())
}

/// `typedef uint64_t guest_id_t;`; of two, for two systems, the last.
fn aliases(plain: &str) -> HashMap<String, String> {
    let words = statements(plain, "typedef ").map(|typedef| typedef.split_whitespace().collect::<Vec<_>>());
    words.filter(|words| words.len() == 2).map(|words| (words[1].to_owned(), words[0].to_owned())).collect()
}

fn constants(plain: &str) -> Vec<&str> {
    let defines = plain.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let values = defines.filter(|(name, _)| !name.starts_with("GUEST_VERSION_") && *name != "GUEST_API");
    values.map(|(name, _)| name).collect()
}

/// Each struct with its fields: name and type.
fn structs(plain: &str) -> Vec<(&str, Vec<(String, String)>)> {
    let bodies = plain.split("\ntypedef struct ").skip(1).filter_map(|rest| rest.split_once(" {"));
    let complete = bodies.filter(|(name, _)| !name.contains(';'));
    let fields = |body: &str| {
        let fields = body.split("\n}").next().unwrap_or_default().split(';');
        fields.filter(|field| !field.trim().is_empty()).map(signature).collect()
    };
    complete.map(|(name, body)| (name, fields(body))).collect()
}

/// The name that is declared, and its type: `uint64_t now(void)`, `int (*post)(void *data)`, `uint64_t counts[40]`.
fn signature(declaration: &str) -> (String, String) {
    let text = declaration.split_whitespace().collect::<Vec<_>>().join(" ").replace("struct ", "");
    let Some((head, parameters)) = text.rsplit_once('(') else {
        let (item, array) = text.split_once('[').map_or((text.as_str(), ""), |(item, _)| (item, "[]"));
        let (what, name) = named(item);
        return (name.to_owned(), format!("{what}{array}"));
    };
    let parameters: Vec<_> =
        parameters.trim_end_matches(')').split(',').map(|one| named(one.trim()).0).collect();
    let parameters = parameters.join(", ");
    match head.strip_suffix(')').and_then(|head| head.split_once("(*")) {
        Some((result, name)) => (name.to_owned(), format!("{} (*)({parameters})", result.trim())),
        None => {
            let (result, name) = named(head);
            (name.to_owned(), format!("{result} ({parameters})"))
        }
    }
}

/// Type and name; a type alone, such as `void`, stays one.
fn named(item: &str) -> (&str, &str) {
    let at = item.rfind([' ', '*']).map_or(0, |at| at + 1);
    if at == 0 {
        (item, "")
    } else {
        (item[..at].trim(), &item[at..])
    }
}

/// With every alias replaced by what it stands for.
fn resolved(text: &str, aliases: &HashMap<String, String>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = String::new();
    for piece in text.split_inclusive(|c| !is_word(c)) {
        let word = piece.trim_end_matches(|c| !is_word(c));
        words += aliases.get(word).map_or(word, String::as_str);
        words += &piece[word.len()..];
    }
    words
}

/// What a C program with this header prints, a line for each question.
fn compiled(header: &str, questions: &[&str]) -> Vec<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("abi-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let prints: String =
        questions.iter().map(|question| format!("    printf({question}), puts(\"\");\n")).collect();
    let program = format!("{header}\n#include <stdio.h>\nint main(void)\n{{\n{prints}    return 0;\n}}\n");
    std::fs::write(folder.join("ask.c"), program).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built =
        Command::new(&compiler).current_dir(&folder).args(["-std=c11", "-w", "-o", "ask", "ask.c"]).output();
    let built = built.unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(built.status.success(), "{compiler}: {}", String::from_utf8_lossy(&built.stderr));
    let answers = Command::new(folder.join("ask")).output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let answers: Vec<_> = String::from_utf8(answers.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), questions.len());
    answers
}
