//! `intuition init`: a manifest with comments, to change and to run. `intuition run --builtin` runs the same one.

use std::process::ExitCode;

use algo_runtime::algorithm::Builtin;
use intuition_common::exit;
use serde_json::Value;

use crate::{args::InitArgs, output};

/// The manifest could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
struct WriteError(#[source] std::io::Error);

/// Runs `intuition init`.
pub(crate) fn command(args: &InitArgs) -> ExitCode {
    match output::is_open(output::put_text(&manifest(args.builtin.0))) {
        Ok(_) => ExitCode::SUCCESS,
        Err(source) => exit::report(&WriteError(source), 1),
    }
}

/// The manifest of a built-in algorithm with its defaults.
pub(crate) fn manifest(builtin: &Builtin) -> String {
    let Builtin { name, summary, .. } = builtin;
    let parameters = parameters(builtin);
    format!(
        "\
# {name}: {summary}
#
# Check it:  intuition validate -f FILE
# Run it:    intuition run -f FILE --feed QUOTES.csv --data-dir ledgers
# In a cluster with Intuition: kubectl apply -f FILE
apiVersion: intuition.dev/v1alpha1
kind: TradingAlgo
metadata:
  name: {name} # The account is NAMESPACE/NAME; another name is another account.
spec:
  algorithm:
    builtin: {name} # `intuition backends` lists others. One of your own: address: http://127.0.0.1:50051
{parameters}\
  #threshold: 0.5 # From 0 to 1. `random` buys where a random number is above it.
  startingCash: 10000 # A state: raising it later deposits the difference, and lowering it withdraws.
  portfolio:
    policy: random-fraction # Share of the cash that a buy takes. Others: fixed-fraction with fraction: 0.5,
    # fixed-amount with amount: 100
  channels:
    subscribe: [quotes] # Topics of the quotes. `intuition run --feed` publishes on quotes.
    #from: [{{indicator: averages}}] # In place of subscribe: the quotes of an `Indicator`, with its values.
  #tradingState: Halted # Reducing denies buys, Halted denies every signal.
"
    )
}

/// Parameters as comments, each with its default or an example.
fn parameters(builtin: &Builtin) -> String {
    let schema: Value = serde_json::from_str(builtin.parameters_schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let lines = properties.map(|(name, schema)| {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        // A seed has no default: each ledger draws its own.
        let value = schema.get("default").or_else(|| schema.pointer("/examples/0"));
        let value = value.map_or_else(|| "1".to_owned(), Value::to_string);
        format!("    #  {name}: {value} # {description}\n")
    });
    let lines: String = lines.collect();
    if lines.is_empty() { String::new() } else { format!("    #parameters:\n{lines}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use algo_runtime::algorithm::BUILTINS;

    use super::*;
    use crate::{manifest as manifests, validate};

    fn problems(text: &str) -> Vec<String> {
        validate::check_documents(manifests::parse(Path::new("init"), text), true).problems
    }

    #[test]
    fn every_manifest_is_valid_also_without_the_marks_of_its_comments() {
        for builtin in BUILTINS {
            let text = manifest(builtin);
            assert_eq!(problems(&text), Vec::<String>::new(), "{text}");
            let uncommented =
                text.replace("    #parameters", "    parameters").replace("    #  ", "      ").replace("  #t", "  t");
            assert!(uncommented.contains("\n      seed: 1 # "), "{uncommented}");
            assert_eq!(problems(&uncommented), Vec::<String>::new(), "{uncommented}");
        }
    }
}
