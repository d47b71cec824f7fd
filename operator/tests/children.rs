//! The children of whole resources against whole files: what would be applied, to the letter. After an intended change
//! `UPDATE=1 cargo test -p intuition-operator --test children` writes the files anew; read the difference.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use intuition_operator::{
    account::{
        build::{Desired, desired},
        plan::Stored,
        sources::KnownSources,
    },
    algorithm, feed, indicator,
    kubernetes::object::PartialObject,
    settings::{Settings, credentials::Credentials},
    trading_algo::plan::{Inputs, plan},
};
use intuition_resources::{
    Algorithm, Feed,
    validate::{parse, parse_algorithm, parse_feed, parse_indicator},
};
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/children")
}

fn with_kind<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut value = json!(object);
    let members = value.as_object_mut().unwrap();
    members.insert("apiVersion".to_owned(), K::api_version(&()).into());
    members.insert("kind".to_owned(), K::kind(&()).into());
    value
}

/// All children as YAML documents, in the order in which they are applied.
fn children(resource: &str) -> String {
    let settings = Settings::parse(&fs::read_to_string(folder().join("settings.yaml")).unwrap()).unwrap();
    let manifest: Value = serde_saphyr::from_str(resource).unwrap();
    let mut algo = parse(&manifest).unwrap();
    algo.metadata.uid = Some("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".to_owned());
    algo.metadata.generation = Some(3);
    let credentials = [("username", "operator"), ("password", "hunter2")];
    let credentials = Credentials(credentials.map(|(name, text)| (name.to_owned(), text.into())).into());
    let named: PartialObject<Algorithm> =
        serde_saphyr::from_str(&fs::read_to_string(folder().join("algorithm.yaml")).unwrap()).unwrap();
    let named = Some(&named).filter(|_| algo.spec.algorithm.name.is_some());
    let feeds = feeds();
    let sources = KnownSources { feeds: &feeds, ..KnownSources::default() };
    let inputs = Inputs { credentials: Some(&credentials), algorithm: named, sources, ..Inputs::new(&settings) };
    of_account(&desired(&plan(&algo, inputs).unwrap(), &settings, None))
}

fn feeds() -> [Arc<PartialObject<Feed>>; 1] {
    let feed = fs::read_to_string(folder().join("feed-of-accounts.yaml")).unwrap();
    [Arc::new(serde_saphyr::from_str(&feed).unwrap())]
}

/// The children of an `Indicator`, in the same way.
fn of_indicator(resource: &str) -> String {
    let settings = Settings::parse(&fs::read_to_string(folder().join("settings.yaml")).unwrap()).unwrap();
    let mut given = parse_indicator(&serde_saphyr::from_str(resource).unwrap()).unwrap();
    given.metadata.uid = Some("7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned());
    given.metadata.generation = Some(4);
    let credentials = Credentials([("username".to_owned(), b"operator".to_vec())].into());
    let feeds = feeds();
    let inputs = indicator::plan::Inputs {
        settings: &settings,
        credentials: Some(&credentials),
        sources: KnownSources { feeds: &feeds, ..KnownSources::default() },
        previous: None,
        stored: Stored::new(),
    };
    of_account(&desired(&indicator::plan::plan(&given, inputs).unwrap(), &settings, None))
}

fn of_account(desired: &Desired) -> String {
    let mut objects: Vec<_> = desired.settings.iter().map(with_kind).collect();
    objects.push(with_kind(&desired.account));
    objects.extend(desired.claim.iter().map(with_kind));
    objects.extend(desired.broker.iter().map(with_kind));
    objects.extend(desired.policies.iter().map(with_kind));
    objects.extend([with_kind(&desired.service), with_kind(&desired.runtime), with_kind(&desired.bridge)]);
    let documents: Vec<_> = objects.iter().map(|object| serde_saphyr::to_string(object).unwrap()).collect();
    format!("---\n{}", documents.join("---\n"))
}

/// What is made for an `Algorithm`, in the same way.
fn of_algorithm(resource: &str) -> String {
    let settings = Settings::parse(&fs::read_to_string(folder().join("settings.yaml")).unwrap()).unwrap();
    let mut algorithm = parse_algorithm(&serde_saphyr::from_str(resource).unwrap()).unwrap();
    algorithm.metadata.uid = Some("6a2cbf0e-7e1b-4f6a-9f9b-6a0d5a6c2f11".to_owned());
    algorithm.metadata.generation = Some(1);
    let plan = algorithm::plan::plan(&algorithm, &settings).unwrap();
    let desired = algorithm::build::desired(&plan, &settings, &[50_051].into()).unwrap();
    let mut objects = vec![with_kind(&desired.account)];
    objects.extend(desired.policy.iter().map(with_kind));
    objects.extend([with_kind(&desired.service), with_kind(&desired.deployment)]);
    let documents: Vec<_> = objects.iter().map(|object| serde_saphyr::to_string(object).unwrap()).collect();
    format!("---\n{}", documents.join("---\n"))
}

/// The children of a `Feed`, in the same way.
fn of_feed(resource: &str) -> String {
    let settings = Settings::parse(&fs::read_to_string(folder().join("settings.yaml")).unwrap()).unwrap();
    let mut given = parse_feed(&serde_saphyr::from_str(resource).unwrap()).unwrap();
    given.metadata.uid = Some("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed".to_owned());
    given.metadata.generation = Some(2);
    let credentials = Credentials([("username".to_owned(), b"operator".to_vec())].into());
    let plan = feed::plan::plan(&given, &settings, Some(&credentials)).unwrap();
    let desired = feed::build::desired(&plan, &settings);
    let mut objects = vec![with_kind(&desired.settings), with_kind(&desired.account)];
    objects.extend(desired.broker.iter().map(with_kind));
    objects.extend(desired.policy.iter().map(with_kind));
    objects.push(with_kind(&desired.deployment));
    let documents: Vec<_> = objects.iter().map(|object| serde_saphyr::to_string(object).unwrap()).collect();
    format!("---\n{}", documents.join("---\n"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asked for by hand, to write the expected files anew")]
fn the_children_of_an_indicator_are_these() {
    for case in ["indicator-feed", "indicator-bars"] {
        let expected = folder().join(format!("{case}.children.yaml"));
        let found = of_indicator(&fs::read_to_string(folder().join(format!("{case}.yaml"))).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap(), "{case}: UPDATE=1 writes {}", expected.display());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asked for by hand, to write the expected files anew")]
fn the_children_of_a_feed_are_these() {
    for case in ["feed-exchange", "feed-file", "feed-table"] {
        let expected = folder().join(format!("{case}.children.yaml"));
        let found = of_feed(&fs::read_to_string(folder().join(format!("{case}.yaml"))).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap(), "{case}: UPDATE=1 writes {}", expected.display());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asked for by hand, to write the expected files anew")]
fn the_children_of_an_algorithm_are_these() {
    let expected = folder().join("algorithm.children.yaml");
    let found = of_algorithm(&fs::read_to_string(folder().join("algorithm.yaml")).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&expected).unwrap(), "UPDATE=1 writes {}", expected.display());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asked for by hand, to write the expected files anew")]
fn the_children_of_a_resource_are_these() {
    let mut cases = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(case) = name.strip_suffix(".resource.yaml") else { continue };
        cases += 1;
        let expected = folder().join(format!("{case}.children.yaml"));
        let found = children(&fs::read_to_string(&path).unwrap());
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &found).unwrap();
        }
        assert_eq!(found, fs::read_to_string(&expected).unwrap(), "{case}: UPDATE=1 writes {}", expected.display());
    }
    assert_eq!(cases, 5);
}
