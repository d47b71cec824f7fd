use std::path::Path;

use super::{names::long_names_in, *};

/// A crate of these files: module path with `/`, and text.
fn crate_of(files: &[(&str, &str)]) -> Crate {
    let mut source = Crate::default();
    for (module, text) in files {
        let names = module.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        source.files.insert(names, File::parse(Path::new(&format!("{module}.rs")), text).unwrap());
    }
    source
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    findings(&[crate_of(files)])
}

#[test]
fn files_that_import_each_other_are_a_circle() {
    let files =
        [("", "mod a; mod b;"), ("a", "use crate::b::B; pub struct A(B);"), ("b", "pub struct B(Box<super::a::A>);")];
    let found = found(&files);
    assert!(found.len() == 1 && found[0].ends_with("\n  a.rs -> b.rs: B\n  b.rs -> a.rs: A"), "{found:?}");
}

#[test]
fn a_name_that_is_handed_on_counts_for_the_file_that_defines_it() {
    let a = "mod deep; pub use self::deep::Deep;";
    let files = [
        ("", ""),
        ("a", a),
        ("a/deep", "use crate::b::B; pub struct Deep(B);"),
        ("b", "use crate::a::Deep; pub struct B;"),
    ];
    let found = found(&files);
    assert!(found.len() == 1 && found[0].contains("a/deep.rs") && !found[0].contains(" a.rs"), "{found:?}");
}

#[test]
fn a_file_may_use_the_module_that_it_belongs_to() {
    let files = [
        ("", ""),
        ("a", "mod inner; use self::inner::B; pub struct A(B);"),
        ("a/inner", "pub struct B(Option<Box<super::A>>);"),
    ];
    assert_eq!(found(&files), [""; 0]);
}

#[test]
fn tests_and_stated_exceptions_do_not_count() {
    let test = "#[cfg(test)] mod tests { use crate::a::A; }";
    assert_eq!(
        found(&[("", ""), ("a", "use crate::b::B; pub struct A(B);"), ("b", &format!("pub struct B; {test}"))]),
        [""; 0]
    );
    let stated = "// structure: allow(circle): both are one state machine\nuse crate::a::A; pub struct B(Box<A>);";
    assert_eq!(found(&[("", ""), ("a", "use crate::b::B; pub struct A(B);"), ("b", stated)]), [""; 0]);
    let unstated = "// structure: allow(circle): \nuse crate::a::A; pub struct B(Box<A>);";
    assert_eq!(found(&[("", ""), ("a", "use crate::b::B; pub struct A(B);"), ("b", unstated)]).len(), 1, "no reason");
}

#[test]
fn lines_of_tests_do_not_make_a_file_long() {
    let production = "const A: u8 = 0;\n".repeat(MAX_LINES);
    let tests = format!("{production}#[cfg(test)]\nmod tests {{\n{production}}}\n");
    assert_eq!(found(&[("", &tests)]), [""; 0]);
    let long = format!("{production}const B: u8 = 0;\n");
    assert_eq!(found(&[("", &long)]).len(), 1);
    assert_eq!(found(&[("", &format!("// structure: allow(length): one table\n{long}"))]), [""; 0]);
}

#[test]
fn long_function_names_are_found_in_tests_and_macros_but_not_in_comments() {
    let (fits, long) = ("a".repeat(MAX_NAME_CHARS), "b".repeat(MAX_NAME_CHARS + 1));
    let named = |text: &str| long_names_in(Path::new("a.rs"), text).unwrap();
    assert_eq!(named(&format!("fn {fits}() {{}} // fn {long}() {{}}\nconst NAME: &str = \"fn {long}\";")), [""; 0]);
    for text in [
        format!("\nasync fn {long}() {{}}"),
        format!("#[cfg(test)]\nmod tests {{ #[test] fn {long}() {{}} }}"),
        format!("proptest! {{\n    #[test] fn {long}(value in 0..3) {{}}\n}}"),
        format!("trait A {{\n    fn {long}(&self);\n}}"),
    ] {
        let found = named(&text);
        assert!(
            found.len() == 1 && found[0].starts_with("a.rs:2: ") && found[0].contains("71 characters"),
            "{found:?}"
        );
    }
}

#[test]
fn function_names_are_read_from_all_rust_files_but_built_ones() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("fn {}() {{}}", "a".repeat(MAX_NAME_CHARS + 1));
    for file in ["crate/tests/deep/a.rs", "target/debug/b.rs", "notes.txt"] {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &source).unwrap();
    }
    let found = long_names(folder.path()).unwrap();
    assert!(found.len() == 1 && found[0].contains("crate/tests/deep/a.rs:1: "), "{found:?}");
}
