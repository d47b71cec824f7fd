//! `intuition validate`, and the same checks before a run.

pub(crate) mod samples;

use std::{collections::BTreeMap, process::ExitCode};

use algo_runtime::{
    algorithm::{AlgorithmSettings, BUILTINS, Builtin, SavedState},
    backend::Address,
};
use intuition_api::{
    indicator::ALGORITHM,
    topic::{self, PREFIX},
};
use intuition_common::{
    exit::{self, USAGE, with_causes},
    text::printable,
};
use intuition_resources::{
    ALGORITHM_KIND, Algorithm, FEED_KIND, Feed, INDICATOR_KIND, Indicator, TRADING_ALGO_KIND, TradingAlgo,
    validate::{FieldError, is_algorithm, is_feed, is_indicator, parse, parse_algorithm, parse_feed, parse_indicator},
};
use kube::api::ObjectMeta;
use serde_json::Value;

use crate::{
    args::{ManifestArgs, ValidateArgs},
    manifest::{self, Document, Place, ReadError},
    output,
    source_topics::{Absent, AccountChannels, KnownSources},
};

/// The namespace of a manifest that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// The place of each name's first use, by kind and `<namespace>/<name>`.
type Places = BTreeMap<(&'static str, String), Place>;

/// The content of the files.
#[derive(Default)]
pub(crate) struct Checked {
    /// The manifests of trading algorithms without a problem, in order, and where they stand.
    pub(crate) algos: Vec<(Place, TradingAlgo)>,
    /// Manifests of algorithms out of process.
    pub(crate) algorithms: Vec<Served>,
    /// The manifests of feeds without a problem, in order, and where they stand.
    pub(crate) feeds: Vec<(Place, Feed)>,
    /// The manifests of indicators without a problem, in order.
    pub(crate) indicators: Vec<Indicator>,
    /// The names of all resources, in order.
    pub(crate) valid: Vec<String>,
    /// One line for each problem.
    pub(crate) problems: Vec<String>,
}

/// An algorithm out of process, from its manifest.
pub(crate) struct Served {
    /// `<namespace>/<name>`.
    pub(crate) account: String,
    /// Its address; `None` for an algorithm that a cluster starts from an image.
    pub(crate) address: Option<String>,
}

/// The names of valid manifests could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct WriteError(#[source] std::io::Error);

/// Runs `intuition validate`.
pub(crate) fn command(arguments: &ValidateArgs) -> ExitCode {
    let checked = check(&arguments.manifests, true);
    let mut lines: Vec<_> = checked.valid.iter().map(|name| format!("valid: {}\n", printable(name))).collect();
    let topic = |(_, feed): &(Place, Feed)| (feed_name(feed), feed.spec.publish.topic.clone());
    let indicators = checked.indicators.iter().map(indicator_name);
    let known = KnownSources::below(PREFIX, checked.feeds.iter().map(topic), indicators);
    for indicator in &checked.indicators {
        let channels = known.channels_of_indicator(namespace(&indicator.metadata), &indicator.spec, str::to_owned);
        lines.extend(not_here(&format!("{} ({INDICATOR_KIND})", indicator_name(indicator)), &channels.absent));
    }
    let mut algos = Vec::new();
    for (_, algo) in &checked.algos {
        let AccountChannels { plan, absent } =
            known.channels_of(namespace(&algo.metadata), algo.spec.channels.as_ref());
        lines.extend(not_here(&account(algo), &absent));
        algos.push((account(algo), plan));
    }
    let readings = samples::read(&algos, &arguments.samples, &arguments.properties);
    lines.extend(readings.lines.iter().map(|line| format!("{}\n", printable(line))));
    let problems: Vec<_> = checked.problems.iter().chain(&readings.problems).cloned().collect();
    let code = match tell(&problems) {
        ExitCode::SUCCESS if readings.is_unread => ExitCode::FAILURE,
        code => code,
    };
    match output::is_open(output::put_text(&lines.concat())) {
        // A closed pipe is no error: the reader has enough.
        Ok(_) => code,
        Err(source) => exit::report(&WriteError(source), 1),
    }
}

/// A line for each source that a resource names and that is in none of the files: it may be in the cluster already.
fn not_here(name: &str, absent: &[Absent]) -> Vec<String> {
    let line = |Absent { field, source }: &Absent| {
        let (name, source) = (printable(name), printable(source));
        format!("note: {name}: {field} names {source}, which is in none of these files\n")
    };
    absent.iter().map(line).collect()
}

/// Writes the problems to standard error, and returns their exit code.
pub(crate) fn tell(problems: &[String]) -> ExitCode {
    output::say(problems);
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
}

/// Reads and checks every document of every file; `decides`: checks the algorithms that they name, too.
pub(crate) fn check(arguments: &ManifestArgs, decides: bool) -> Checked {
    check_documents(arguments.files.iter().flat_map(|file| manifest::read(file)), decides)
}

/// Checks documents that were read already, as [`check`] does.
pub(crate) fn check_documents(
    documents: impl IntoIterator<Item = Result<Document, ReadError>>,
    decides: bool,
) -> Checked {
    let mut checked = Checked::default();
    let mut places = Places::new();
    for document in documents {
        match document {
            Ok(document) => checked.take(document, decides, &mut places),
            Err(error) => checked.problems.push(with_causes(&error)),
        }
    }
    checked
}

impl Checked {
    /// Adds a document; `places` has the place of each name's first use.
    fn take(&mut self, document: Document, decides: bool, places: &mut Places) {
        let Document { place, manifest } = document;
        if is_algorithm(&manifest) {
            let own = address(&manifest, "spec.address");
            if let Some((_, algorithm)) = self.sift(place, parse_algorithm(&manifest), own.into_iter(), places) {
                let account = algorithm.account();
                self.valid.push(format!("{account} ({ALGORITHM_KIND})"));
                self.algorithms.push(Served { account, address: algorithm.spec.address });
            }
        } else if is_feed(&manifest) {
            if let Some((place, feed)) = self.sift(place, parse_feed(&manifest), std::iter::empty(), places) {
                self.valid.push(format!("{} ({FEED_KIND})", feed.account()));
                self.feeds.push((place, feed));
            }
        } else if is_indicator(&manifest) {
            if let Some((_, indicator)) = self.sift(place, parse_indicator(&manifest), std::iter::empty(), places) {
                self.valid.push(format!("{} ({INDICATOR_KIND})", indicator.account()));
                self.indicators.push(indicator);
            }
        } else {
            let own = own(&manifest, decides).into_iter();
            if let Some((place, algo)) = self.sift(place, parse(&manifest), own, places) {
                self.valid.push(algo.account());
                self.algos.push((place, algo));
            }
        }
    }

    /// Returns a valid resource. Errors of an invalid one are added to the problems.
    fn sift<K: Named>(
        &mut self,
        place: Place,
        parsed: Result<K, Vec<FieldError>>,
        own: impl Iterator<Item = FieldError>,
        places: &mut Places,
    ) -> Option<(Place, K)> {
        let mut problems = parsed.as_ref().err().cloned().unwrap_or_default();
        for problem in own {
            // The same field may have been found already, by its shape.
            if !problems.iter().any(|known| known.path == problem.path) {
                problems.push(problem);
            }
        }
        problems.sort();
        self.problems.extend(problems.iter().map(|problem| format!("{place}: {problem}")));
        let resource = parsed.ok()?;
        let name = resource.account();
        let key = (K::KIND, name.clone());
        if let Some(first) = places.get(&key) {
            self.problems.push(format!("{place}: metadata.name: {name} is taken already by {first}"));
            return None;
        }
        places.insert(key, place.clone());
        problems.is_empty().then_some((place, resource))
    }
}

/// A resource of any kind.
trait Named {
    const KIND: &'static str;

    /// `<namespace>/<name>`.
    fn account(&self) -> String;
}

impl Named for TradingAlgo {
    const KIND: &'static str = TRADING_ALGO_KIND;

    fn account(&self) -> String {
        full_name(self.metadata.namespace.as_deref(), self.metadata.name.as_deref())
    }
}

impl Named for Algorithm {
    const KIND: &'static str = ALGORITHM_KIND;

    fn account(&self) -> String {
        full_name(self.metadata.namespace.as_deref(), self.metadata.name.as_deref())
    }
}

impl Named for Feed {
    const KIND: &'static str = FEED_KIND;

    fn account(&self) -> String {
        full_name(self.metadata.namespace.as_deref(), self.metadata.name.as_deref())
    }
}

impl Named for Indicator {
    const KIND: &'static str = INDICATOR_KIND;

    fn account(&self) -> String {
        full_name(self.metadata.namespace.as_deref(), self.metadata.name.as_deref())
    }
}

/// `<namespace>/<name>` of a feed.
pub(crate) fn feed_name(feed: &Feed) -> String {
    feed.account()
}

/// `<namespace>/<name>` of an indicator.
pub(crate) fn indicator_name(indicator: &Indicator) -> String {
    indicator.account()
}

/// The name of an indicator's account.
pub(crate) fn indicator_account(indicator: &Indicator) -> String {
    topic::indicator_account(&indicator.account())
}

/// Namespace of a resource.
pub(crate) fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
}

/// `<namespace>/<name>` of a trading algorithm.
pub(crate) fn account(algo: &TradingAlgo) -> String {
    algo.account()
}

fn full_name(namespace: Option<&str>, name: Option<&str>) -> String {
    format!("{}/{}", namespace.unwrap_or(DEFAULT_NAMESPACE), name.unwrap_or_default())
}

/// The runtime's errors about a manifest's algorithm. With `decides` they include those of its parameters.
fn own(manifest: &Value, decides: bool) -> Vec<FieldError> {
    let mut problems = if decides { builtin(manifest) } else { Vec::new() };
    problems.extend(address(manifest, "spec.algorithm.address"));
    problems
}

fn address(manifest: &Value, path: &str) -> Option<FieldError> {
    let address = manifest.pointer(&format!("/{}", path.replace('.', "/")))?.as_str()?;
    address.parse::<Address>().err().map(|error| FieldError::new(path, error.to_string()))
}

fn builtin(manifest: &Value) -> Vec<FieldError> {
    let Some(name) = manifest.pointer("/spec/algorithm/builtin").and_then(Value::as_str) else { return Vec::new() };
    if name == ALGORITHM {
        let message = format!("`{ALGORITHM}` is the algorithm of the resource `{INDICATOR_KIND}`");
        return vec![FieldError::new("spec.algorithm.builtin", message)];
    }
    let Some(builtin) = Builtin::find(name) else {
        let names: Vec<_> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        let message = format!("is unknown: {name:?}; there are {}", names.join(", "));
        return vec![FieldError::new("spec.algorithm.builtin", message)];
    };
    // The schema has found errors of the threshold, and parameters that are no object.
    let parameters = manifest.pointer("/spec/algorithm/parameters").and_then(Value::as_object);
    let settings = AlgorithmSettings { threshold: 0.5, parameters: parameters.cloned().unwrap_or_default() };
    let errors = builtin.initialize(&settings, &SavedState::new(), 0).err().into_iter().flatten();
    errors.map(|error| FieldError::new(format!("spec.algorithm.{}", error.field), error.message)).collect()
}
