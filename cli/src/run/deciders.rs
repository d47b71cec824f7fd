//! The algorithm of each manifest of a run. Pure.

use algo_runtime::settings::AlgorithmRef;
use intuition_resources::{TradingAlgo, validate::FieldError};

use crate::{
    args::RunArgs,
    validate::{Checked, Served},
};

/// Each manifest with its algorithm, or all problems. `has_indicators`: the run has something to do without an algorithm.
pub(super) fn of(
    checked: Checked,
    args: &RunArgs,
    has_indicators: bool,
) -> Result<Vec<(TradingAlgo, AlgorithmRef)>, Vec<String>> {
    let Checked { algos, algorithms, mut problems, .. } = checked;
    let mut run = Vec::new();
    if algos.is_empty() && !has_indicators && problems.is_empty() {
        problems.push("nothing to run: none of the manifests is a TradingAlgo or an Indicator".to_owned());
    }
    for (place, algo) in algos {
        let decider = match &args.algorithm_address {
            Some(address) => Ok(AlgorithmRef::Backend(address.clone())),
            None => by_manifest(&algo, &algorithms),
        };
        match decider {
            Ok(decider) => run.push((algo, decider)),
            Err(problem) => problems.push(format!("{place}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(run) } else { Err(problems) }
}

fn by_manifest(algo: &TradingAlgo, algorithms: &[Served]) -> Result<AlgorithmRef, FieldError> {
    let choice = &algo.spec.algorithm;
    let at = |path: &str, address: &str| {
        AlgorithmRef::from_fields("", address).map_err(|error| FieldError::new(path, error.message))
    };
    match (&choice.builtin, &choice.address, &choice.name) {
        (_, Some(address), _) => at("spec.algorithm.address", address),
        (_, _, Some(name)) => {
            let path = "spec.algorithm.name";
            let wanted = format!("{}/{name}", algo.metadata.namespace.as_deref().unwrap_or("default"));
            let refuse = |message: String| Err(FieldError::new(path, message));
            match algorithms.iter().find(|served| served.account == wanted) {
                Some(Served { address: Some(address), .. }) => at(path, address),
                Some(Served { address: None, .. }) => refuse(format!(
                    "the Algorithm {wanted} has an image, which needs a cluster: start the algorithm on this machine and \
                     say where by --algorithm-address"
                )),
                None => refuse(format!(
                    "there is no Algorithm {wanted} in the files given: add its manifest, with spec.address, or say where \
                     the algorithm is by --algorithm-address"
                )),
            }
        }
        (builtin, None, None) => Ok(AlgorithmRef::Builtin(builtin.clone().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use intuition_resources::AlgorithmChoice;

    use super::*;

    fn algo(algorithm: &AlgorithmChoice) -> TradingAlgo {
        let manifest = serde_json::json!({
            "apiVersion": "intuition.dev/v1alpha1",
            "kind": "TradingAlgo",
            "metadata": { "name": "a", "namespace": "default" },
            "spec": { "algorithm": algorithm },
        });
        serde_json::from_value(manifest).unwrap()
    }

    fn served(account: &str, address: Option<&str>) -> Served {
        Served { account: account.to_owned(), address: address.map(str::to_owned) }
    }

    fn named(name: &str) -> AlgorithmChoice {
        AlgorithmChoice { name: Some(name.to_owned()), ..AlgorithmChoice::default() }
    }

    #[test]
    fn a_name_is_an_algorithm_of_the_same_namespace_with_an_address() {
        let algorithms = [
            served("other/breakout", Some("http://other:1")),
            served("default/breakout", Some("http://here:2")),
            served("default/imaged", None),
        ];
        let decider = |name| by_manifest(&algo(&named(name)), &algorithms);
        assert_eq!(decider("breakout"), Ok(AlgorithmRef::Backend("http://here:2".parse().unwrap())));
        let missing = decider("fade").unwrap_err();
        assert_eq!(missing.path, "spec.algorithm.name");
        assert!(missing.message.starts_with("there is no Algorithm default/fade in the files given: "), "{missing}");
        let imaged = decider("imaged").unwrap_err();
        assert_eq!(imaged.path, "spec.algorithm.name");
        assert!(imaged.message.contains("--algorithm-address"), "{imaged}");
    }

    #[test]
    fn an_address_and_a_builtin_mean_themselves() {
        let address = AlgorithmChoice { address: Some("http://here:2".to_owned()), ..AlgorithmChoice::default() };
        let decider = by_manifest(&algo(&address), &[]);
        assert_eq!(decider, Ok(AlgorithmRef::Backend("http://here:2".parse().unwrap())));
        let builtin = AlgorithmChoice { builtin: Some("random".to_owned()), ..AlgorithmChoice::default() };
        assert_eq!(by_manifest(&algo(&builtin), &[]), Ok(AlgorithmRef::Builtin("random".to_owned())));
        let portless = AlgorithmChoice { address: Some("http://here".to_owned()), ..AlgorithmChoice::default() };
        assert_eq!(by_manifest(&algo(&portless), &[]).unwrap_err().path, "spec.algorithm.address");
    }
}
