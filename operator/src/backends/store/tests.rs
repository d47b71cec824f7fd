use serde_json::{Value, from_value, json};

use super::*;

fn algorithm(namespace: &str, name: &str, version: &str) -> PartialObject<Algorithm> {
    from_value(json!({
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "address": "http://elsewhere:7" },
        "status": { "version": version, "healthy": true },
    }))
    .unwrap()
}

fn user(namespace: &str, name: &str, algorithm: &Value) -> PartialObject {
    from_value(json!({ "metadata": { "name": name, "namespace": namespace }, "spec": { "algorithm": algorithm } }))
        .unwrap()
}

fn book(namespaces: &[&str]) -> DirectoryStore {
    let named: Vec<_> = namespaces.iter().map(|&namespace| Some(namespace.to_owned())).collect();
    DirectoryStore::new(if named.is_empty() { &[None] } else { &named })
}

fn read(book: &DirectoryStore, scope: usize, algorithms: &[(&str, &str)]) {
    book.take_algorithm(scope, Event::Init);
    for (namespace, name) in algorithms {
        book.take_algorithm(scope, Event::InitApply(algorithm(namespace, name, "1")));
    }
    book.take_algorithm(scope, Event::InitDone);
    for event in [Event::Init, Event::InitDone] {
        book.take_user(scope, event);
    }
}

/// What is told to one who knows `told`, and what it knows then.
fn news(book: &DirectoryStore, told: &mut Arc<Entries>, namespace: &str) -> Vec<String> {
    let pages = book.entries(namespace).unwrap();
    let before = std::mem::replace(told, Arc::clone(&pages));
    let say = |news: ChangeEvent| match news.into_change().change.unwrap() {
        Change::Updated(page) => {
            format!("{}/{} {} {}", page.namespace, page.name, page.version, page.used_by.join("+"))
        }
        Change::Deleted(page) => format!("{}/{} gone", page.namespace, page.name),
        Change::Synced(_) => "synced".to_owned(),
    };
    differences(&before, &pages, namespace).into_iter().map(say).collect()
}

#[test]
fn nothing_is_said_before_both_kinds_were_read() {
    let book = book(&[]);
    assert_eq!(book.entries("").unwrap_err(), Unavailable::NotRead);
    book.take_algorithm(0, Event::Init);
    book.take_algorithm(0, Event::InitDone);
    assert_eq!(book.entries("n").unwrap_err(), Unavailable::NotRead, "who uses them is not known");
    book.take_user(0, Event::Init);
    book.take_user(0, Event::InitDone);
    assert!(book.entries("n").unwrap().is_empty());
}

#[test]
fn unreadable_namespace_is_unavailable_and_hides_no_other() {
    let book = book(&["gone", "n"]);
    book.lose_algorithms(0, "forbidden");
    assert_eq!(book.entries("").unwrap_err(), Unavailable::NotRead, "the other one is being read");
    read(&book, 1, &[("n", "a")]);
    assert_eq!(book.entries("").unwrap().len(), 1);
    assert_eq!(book.entries("n").unwrap().len(), 1);
    assert_eq!(book.entries("gone").unwrap_err(), Unavailable::Failing("forbidden".to_owned()));
    assert_eq!(book.entries("other").unwrap_err(), Unavailable::NotWatched("other".to_owned()));
    // Back again; from here on what is known has to do.
    read(&book, 0, &[("gone", "b")]);
    book.lose_algorithms(0, "the API server is away");
    book.lose_users(0, "the API server is away");
    assert_eq!(book.entries("gone").unwrap().len(), 2);
}

#[test]
fn each_change_is_told_once_by_key_and_of_several_the_last() {
    let (book, mut told) = (book(&[]), Arc::default());
    read(&book, 0, &[("n", "b"), ("m", "c"), ("n", "a")]);
    assert_eq!(news(&book, &mut told, ""), ["m/c 1 ", "n/a 1 ", "n/b 1 "]);
    for version in ["2", "3"] {
        book.take_algorithm(0, Event::Apply(algorithm("n", "b", version)));
    }
    book.take_algorithm(0, Event::Delete(algorithm("m", "c", "1")));
    book.take_algorithm(0, Event::Delete(algorithm("n", "a", "1")));
    book.take_algorithm(0, Event::Apply(algorithm("n", "a", "1")));
    assert_eq!(news(&book, &mut told, ""), ["m/c gone", "n/b 3 "], "made again as it was is no change");
    assert_eq!(news(&book, &mut told, ""), [""; 0]);
}

#[test]
fn what_is_as_it_was_wakes_nobody() {
    let book = book(&[]);
    read(&book, 0, &[("n", "a")]);
    let mut changes = book.changes();
    changes.mark_unchanged();
    book.take_algorithm(0, Event::Apply(algorithm("n", "a", "1")));
    book.take_user(0, Event::Delete(user("n", "never-there", &json!({ "name": "a" }))));
    read(&book, 0, &[("n", "a")]);
    assert!(!changes.has_changed().unwrap());
    book.take_algorithm(0, Event::Apply(algorithm("n", "a", "2")));
    assert!(changes.has_changed().unwrap());
}

#[test]
fn a_new_reading_takes_the_place_of_what_was_known_when_it_is_through() {
    let (book, mut told) = (book(&["n", "m"]), Arc::default());
    read(&book, 0, &[("n", "a"), ("n", "b")]);
    read(&book, 1, &[("m", "c")]);
    news(&book, &mut told, "");
    book.take_algorithm(0, Event::Init);
    book.take_algorithm(0, Event::InitApply(algorithm("n", "z", "1")));
    assert_eq!(news(&book, &mut told, ""), [""; 0], "it is under way");
    // It failed on the way, and begins anew.
    book.lose_algorithms(0, "expired");
    book.take_algorithm(0, Event::Init);
    book.take_algorithm(0, Event::InitApply(algorithm("n", "a", "1")));
    book.take_algorithm(0, Event::InitDone);
    assert_eq!(news(&book, &mut told, ""), ["n/b gone"]);
}

#[test]
fn users_are_all_of_the_namespace_in_order() {
    let (book, mut told) = (book(&[]), Arc::default());
    read(&book, 0, &[("n", "a"), ("m", "a")]);
    news(&book, &mut told, "");
    // A status names the first hundred alone.
    let names: Vec<_> = (0..150).map(|number| format!("t{number:03}")).collect();
    for name in names.iter().rev() {
        book.take_user(0, Event::Apply(user("n", name, &json!({ "name": "a" }))));
    }
    book.take_user(0, Event::Apply(user("n", "builtin", &json!({ "builtin": "random" }))));
    book.take_user(0, Event::Apply(user("n", "of-none", &json!({ "name": "nobody" }))));
    assert_eq!(news(&book, &mut told, ""), [format!("n/a 1 {}", names.join("+"))]);
    // One turns to another, one goes.
    book.take_user(0, Event::Apply(user("n", "t000", &json!({ "builtin": "random" }))));
    book.take_user(0, Event::Delete(user("n", "t149", &json!({ "name": "a" }))));
    assert_eq!(news(&book, &mut told, ""), [format!("n/a 1 {}", names[1..149].join("+"))]);
}
